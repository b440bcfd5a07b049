"""The journal's tables, as the steps that lead to them. A step that was once released is never changed."""

from __future__ import annotations

MONEY = (
    """
    CREATE TABLE charges (
        id TEXT PRIMARY KEY,
        job TEXT NOT NULL,
        caller TEXT NOT NULL,
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        operation TEXT NOT NULL,
        pictures INTEGER NOT NULL,
        day TEXT NOT NULL,
        reserved INTEGER CHECK (reserved >= 0),
        spent INTEGER CHECK (spent >= 0),
        state TEXT NOT NULL CHECK (state IN ('reserved', 'sent', 'settled', 'released', 'unknown'))
    ) STRICT
    """,
    "CREATE INDEX charges_by_day ON charges (caller, day)",
    """
    CREATE VIEW spending AS SELECT *, CASE state
        WHEN 'released' THEN 0
        WHEN 'settled' THEN coalesce(spent, reserved, 0)
        ELSE coalesce(reserved, 0)
    END AS counted FROM charges
    """,
)
"""One row per vendor call. Money in micro-USD; `day` in UTC, of the reservation; `counted` counts towards the caps."""

JOBS = (
    """
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        caller TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        request TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'unknown', 'cancelled')),
        outcome TEXT NOT NULL DEFAULT '{}',
        delivered INTEGER NOT NULL DEFAULT 0,
        owner TEXT NOT NULL,
        created TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX jobs_alike ON jobs (caller, fingerprint)",
    "CREATE INDEX jobs_running ON jobs (state) WHERE state = 'running'",
    "ALTER TABLE charges ADD COLUMN task TEXT",
    "CREATE INDEX charges_of_job ON charges (job)",
    """
    CREATE TABLE assets (
        id TEXT PRIMARY KEY,
        job TEXT NOT NULL,
        charge TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX assets_of_charge ON assets (charge)",
)
"""`request`, `outcome` and `task` are JSON objects. `owner` is the process that runs the job; see `process_lock.py`."""

LATEST = ("CREATE INDEX jobs_by_time ON jobs (created)",)
"""So that collectable jobs and the list of the newest are found without reading all rows."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (MONEY, JOBS, LATEST)
"""Step n leads from schema n - 1 to schema n, which the file keeps as its user_version."""
