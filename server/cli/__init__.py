"""The command line. Start with `commands`, which lists them and names the module of each.

`entry` parses and runs. `signatures` has the options of each command, `making`, `stored`, `account` and `setup` what it
does; `terminal` prints. Imports `tools`, `providers` and all of `server`.
"""
