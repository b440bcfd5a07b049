"""What a model is told before it calls a tool: the instructions of the server, and prompts for common tasks."""
