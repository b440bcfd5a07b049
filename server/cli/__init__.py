"""The command line. Start with `commands`, which lists them and names the module of each.

`entry` parses and runs, `options` makes options of the tools' parameters, `output` prints, `terminal_messages` words
errors for a person. Imports `tools`, `providers` and all of `server`.
"""
