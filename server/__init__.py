"""The process: all that speaks MCP, HTTP, SQL, S3 or to the disk."""
