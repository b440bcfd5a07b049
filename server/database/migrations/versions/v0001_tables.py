"""Make the tables; copy the rows of a SQLite file that an earlier version wrote in its own schema."""

from __future__ import annotations

import json
from typing import Any

from alembic import op
from sqlalchemy import Connection, inspect, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE jobs (
        id VARCHAR NOT NULL PRIMARY KEY,
        caller VARCHAR NOT NULL,
        fingerprint VARCHAR NOT NULL,
        idempotency_key VARCHAR,
        request TEXT NOT NULL,
        state VARCHAR NOT NULL CONSTRAINT jobs_state
            CHECK (state IN ('running', 'done', 'failed', 'cancelled', 'unknown')),
        outcome TEXT NOT NULL,
        image_count INTEGER NOT NULL,
        collectable BOOLEAN NOT NULL,
        inline BOOLEAN NOT NULL,
        owner VARCHAR NOT NULL,
        created_at {time} NOT NULL,
        finished_at {time},
        delivered_at {time},
        CONSTRAINT jobs_finished CHECK ((state = 'running') = (finished_at IS NULL))
    )
    """,
    "CREATE INDEX jobs_by_request ON jobs (caller, fingerprint)",
    "CREATE INDEX jobs_by_key ON jobs (caller, idempotency_key)",
    "CREATE INDEX jobs_by_time ON jobs (created_at)",
    "CREATE INDEX jobs_running ON jobs (owner) WHERE state = 'running'",
    "CREATE UNIQUE INDEX jobs_unique_request ON jobs (caller, fingerprint)"
    " WHERE state = 'running' AND idempotency_key IS NULL AND delivered_at IS NULL",
    "CREATE UNIQUE INDEX jobs_unique_key ON jobs (caller, idempotency_key) WHERE state = 'running'",
    """
    CREATE TABLE vendor_calls (
        id VARCHAR NOT NULL PRIMARY KEY,
        job_id VARCHAR NOT NULL,
        retry_of VARCHAR,
        caller VARCHAR NOT NULL,
        provider VARCHAR NOT NULL,
        model VARCHAR NOT NULL,
        operation VARCHAR NOT NULL,
        image_count INTEGER NOT NULL,
        day VARCHAR(10) NOT NULL,
        reserved_usd {usd},
        spent_usd {usd},
        state VARCHAR NOT NULL CONSTRAINT vendor_calls_state
            CHECK (state IN ('reserved', 'sent', 'settled', 'released', 'unknown')),
        vendor_task TEXT,
        sent_at {time},
        settled_at {time},
        CONSTRAINT vendor_calls_usd CHECK (reserved_usd >= 0 AND spent_usd >= 0),
        CONSTRAINT vendor_calls_settled CHECK ((state = 'settled') = (settled_at IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_vendor_calls_job_id ON vendor_calls (job_id)",
    "CREATE INDEX vendor_calls_by_day ON vendor_calls (caller, day)",
    "CREATE TABLE assets (id VARCHAR NOT NULL PRIMARY KEY, job_id VARCHAR NOT NULL, vendor_call_id VARCHAR NOT NULL)",
    "CREATE INDEX ix_assets_vendor_call_id ON assets (vendor_call_id)",
    """
    CREATE TABLE rate_counters (
        caller VARCHAR NOT NULL, minute BIGINT NOT NULL, calls INTEGER NOT NULL, PRIMARY KEY (caller, minute)
    )
    """,
)

TYPES = {
    "sqlite": {"time": "DATETIME", "usd": "BIGINT"},
    "postgresql": {"time": "TIMESTAMP WITH TIME ZONE", "usd": "NUMERIC(14, 6)"},
}

KEYED = "key:"
"""How earlier versions marked a fingerprint that stood for an idempotency key."""


def upgrade() -> None:
    """Make the tables of this version."""
    connection = op.get_bind()
    earlier = inspect(connection).get_table_names() if connection.dialect.name == "sqlite" else []
    for name in (name for name in ("jobs", "charges", "assets") if name in earlier):
        connection.execute(text(f"CREATE TEMPORARY TABLE earlier_{name} AS SELECT * FROM {name}"))  # noqa: S608 - ours
    if "charges" in earlier:
        connection.execute(text("DROP VIEW IF EXISTS spending"))
    for name in (name for name in ("jobs", "charges", "assets") if name in earlier):
        connection.execute(text(f"DROP TABLE {name}"))
    for statement in TABLES:
        connection.execute(text(statement.format(**TYPES[connection.dialect.name])))
    if "charges" in earlier:
        _copy_calls(connection, has_tasks="jobs" in earlier)
    if "jobs" in earlier:
        _copy_jobs(connection)
        connection.execute(text("INSERT INTO assets SELECT id, job, charge FROM earlier_assets"))


def _copy_calls(connection: Connection, *, has_tasks: bool) -> None:
    connection.execute(
        text(
            "INSERT INTO vendor_calls SELECT id, job, NULL, caller, provider, model, operation, pictures, day,"  # noqa: S608
            f" reserved, spent, state, {'task' if has_tasks else 'NULL'}, NULL,"
            " CASE state WHEN 'settled' THEN day || ' 00:00:00.000000' END FROM earlier_charges"
        )
    )


def _copy_jobs(connection: Connection) -> None:
    for row in connection.execute(text("SELECT * FROM earlier_jobs ORDER BY created")).mappings():
        request, outcome = _object(row["request"]), _object(row["outcome"])
        images = outcome.get("images")
        key = row["fingerprint"].removeprefix(KEYED) if row["fingerprint"].startswith(KEYED) else None
        running = row["state"] == "running"
        values = {
            "id": row["id"],
            "caller": row["caller"],
            "fingerprint": str(request.get("asked", "")) if key else row["fingerprint"],
            "idempotency_key": key,
            "request": row["request"],
            "state": row["state"],
            "outcome": row["outcome"],
            "image_count": len(images) if isinstance(images, list) else 0,  # pyright: ignore[reportUnknownArgumentType]
            "collectable": bool(outcome.get("collectable")),
            "inline": bool(outcome.get("inline")),
            "owner": row["owner"],
            "created_at": row["created"],
            "finished_at": None if running else row["created"],
            "delivered_at": row["created"] if row["delivered"] else None,
        }
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(text(f"INSERT OR IGNORE INTO jobs ({names}) VALUES ({marks})"), values)  # noqa: S608 - ours


def _object(stored: str) -> dict[str, Any]:
    """Parse a JSON object; an empty one for anything else, since one damaged row must not stop the others."""
    try:
        found: Any = json.loads(stored)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]
