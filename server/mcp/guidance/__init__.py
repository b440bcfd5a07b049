"""What a model reads before it calls a tool: the instructions of the server, and prompts for common tasks."""
