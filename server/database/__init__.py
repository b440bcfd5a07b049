"""Jobs, vendor calls and the ledger, in a SQLite file or in PostgreSQL, through SQLAlchemy Core.

Start with `schema`; `jobs` writes jobs, `job_statements` has the SQL, reads and claims, `ledger` counts money.
Imports `providers`.
"""
