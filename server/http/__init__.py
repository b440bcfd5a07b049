"""The HTTP service: access checks, tokens, bodies and plain routes around the MCP server.

Start with `app`, which puts the routes together.
"""
