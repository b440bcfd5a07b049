"""Jobs, vendor calls and the ledger in one SQLite file, shared by the processes of a machine.

Start with `schema`, then `jobs` and `ledger`. Imports `providers`.
"""
