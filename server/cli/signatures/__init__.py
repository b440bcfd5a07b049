"""The signature of each command: what the parser and the help need. What a command does is imported when it runs."""
