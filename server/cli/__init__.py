"""The command line: one `*_command` module per command. Start with `commands`, which declares them.

`output` prints, `terminal_messages` words errors for a person. Imports `tools`, `providers` and all of `server`.
"""
