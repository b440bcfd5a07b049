"""Jobs, vendor calls and the ledger, in a SQLite file or in PostgreSQL, through SQLAlchemy Core.

Start with `schema`, then `jobs` and `ledger`. Imports `providers`.
"""
