"""Tests of `server/mcp`."""
