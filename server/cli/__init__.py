"""The command line: one module per command. Start with `commands`, which declares them."""
