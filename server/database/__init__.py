"""Jobs, vendor calls and the ledger, in a SQLite file or in PostgreSQL, through SQLAlchemy Core.

Start with `schema`; `jobs` has every write of a job, `job_queries` reads and claims, `ledger` counts money.
Imports `providers`.
"""
