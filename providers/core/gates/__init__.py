"""The checks of a request against a model's row, before any I/O. Imports only `core`.

Start with `preflight`: the lists of gates at its end are the policy.
"""
