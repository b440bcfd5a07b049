"""A user's way through each vendor: the real server over stdio, with the official MCP client, against an emulator."""
