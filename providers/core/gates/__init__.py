"""The checks of a request against a model's row, before any I/O. Imports only `core`.

Start with `preflight`: the list GATES at its end is the policy.
"""
