"""The MCP server: tools/call, stdio, progress and results, previews, elicitation, tasks and resources.

Imports `tools`, `providers` and the single files of `server`. Start with `server` (build_server).
"""
