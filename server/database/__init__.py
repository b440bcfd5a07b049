"""What must survive the process: money now, and whatever else has to be known after a restart. SQLite, one file."""
