"""The MCP server: tools/call, stdio, results and previews, progress, elicitation, tasks and resources.

Imports `tools`, `providers` and the single files of `server`. Start with `server` (build_server).
"""
