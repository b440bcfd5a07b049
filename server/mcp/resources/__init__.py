"""What a host can read besides the tools' answers: images, styles, and completions of arguments.

Start with `resource_server`, the part of the MCP server that serves them.
"""
