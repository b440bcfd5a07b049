"""What commands print and show in a terminal: lines, tables, progress, images, error messages. Start with `output`."""
