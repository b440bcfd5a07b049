"""The tables, for SQLite and PostgreSQL alike; `migrations` makes them and brings older ones up to date.

Rows are never deleted: they are the record of what was spent. `atelier jobs` and `atelier spend` read all of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

from atelier.providers.pipeline.states import CallState, JobState

MICRO = 1_000_000  # micro-USD of a dollar
MICRO_USD = Decimal("0.000001")
"""The unit of the books. A bill is rounded to the nearest, a reservation up, so that no cap is exceeded."""


class Usd(TypeDecorator[Decimal]):
    """USD, rounded to MICRO_USD: NUMERIC in PostgreSQL, an integer of micro-USD in SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return the column type."""
        return BigInteger() if dialect.name == "sqlite" else Numeric(14, 6)

    def process_bind_param(self, value: Decimal | int | None, dialect: Dialect) -> Any:
        """Return the amount as it is stored."""
        if value is None:
            return None
        amount = Decimal(value).quantize(MICRO_USD, ROUND_HALF_UP)
        return int(amount * MICRO) if dialect.name == "sqlite" else amount

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return a stored amount in USD."""
        if value is None:
            return None
        return Decimal(value) / MICRO if dialect.name == "sqlite" else Decimal(value)


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite stores it without its zone, as text."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as it is stored."""
        return value.replace(tzinfo=None) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return a stored time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _one_of(column: str, values: Any) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


RUNNING = text(f"state = '{JobState.RUNNING.value}'")
INLINE_IN_SQLITE, INLINE = text("inline = 1"), text("inline")
UNKEYED = text(f"state = '{JobState.RUNNING.value}' AND idempotency_key IS NULL AND delivered_at IS NULL")

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("caller", String, nullable=False),
    Column("fingerprint", String, nullable=False),  # equal for equal requests
    Column("idempotency_key", String),  # the hash of the caller's key
    Column("request", Text, nullable=False),  # JSON
    Column("state", String, nullable=False),
    Column("outcome", Text, nullable=False),  # JSON
    Column("image_count", Integer, nullable=False),  # images in the outcome
    Column("collectable", Boolean, nullable=False),  # the vendor may still return images
    Column("inline", Boolean, nullable=False),  # the images are deleted once delivered, or after an hour
    Column("owner", String, nullable=False),  # the process that runs the job; see `process_lock`
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("delivered_at", UtcTime),
    CheckConstraint(_one_of("state", JobState), name="jobs_state"),
    CheckConstraint("(state = 'running') = (finished_at IS NULL)", name="jobs_finished"),
    Index("jobs_by_request", "caller", "fingerprint"),
    Index("jobs_by_key", "caller", "idempotency_key"),
    Index("jobs_by_time", "created_at"),
    Index("jobs_running", "owner", sqlite_where=RUNNING, postgresql_where=RUNNING),
    Index("jobs_inline", "created_at", sqlite_where=INLINE_IN_SQLITE, postgresql_where=INLINE),
    Index("jobs_unique_request", "caller", "fingerprint", unique=True, sqlite_where=UNKEYED, postgresql_where=UNKEYED),
    Index("jobs_unique_key", "caller", "idempotency_key", unique=True, sqlite_where=RUNNING, postgresql_where=RUNNING),
)

vendor_calls = Table(
    "vendor_calls",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", String, nullable=False, index=True),
    Column("retry_of", String),  # the call that timed out and was sent again
    Column("caller", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("model", String, nullable=False),
    Column("operation", String, nullable=False),
    Column("image_count", Integer, nullable=False),  # images that were requested
    Column("day", String(10), nullable=False),  # UTC, of the reservation: YYYY-MM-DD
    Column("reserved_usd", Usd),  # NULL where no price is known
    Column("spent_usd", Usd),  # NULL until it is known
    Column("state", String, nullable=False),
    Column("vendor_task", Text),  # JSON, by which the images can be collected
    Column("sent_at", UtcTime),
    Column("settled_at", UtcTime),
    CheckConstraint(_one_of("state", CallState), name="vendor_calls_state"),
    CheckConstraint("reserved_usd >= 0 AND spent_usd >= 0", name="vendor_calls_usd"),
    CheckConstraint("(state = 'settled') = (settled_at IS NOT NULL)", name="vendor_calls_settled"),
    Index("vendor_calls_by_day", "caller", "day"),
)

daily_spending = Table(
    "daily_spending",
    metadata,
    Column("caller", String, primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("usd", Usd, nullable=False),
)
"""USD of a caller's vendor calls that count towards the caps. Triggers of the database keep it."""

assets = Table(
    "assets",
    metadata,
    Column("id", String, primary_key=True),
    Column("job_id", String, nullable=False),
    Column("vendor_call_id", String, nullable=False, index=True),
)
"""The stored images of vendor calls. The images themselves are never in the database."""

rate_counters = Table(
    "rate_counters",
    metadata,
    Column("caller", String, primary_key=True),
    Column("minute", BigInteger, primary_key=True),  # since 1970
    Column("calls", Integer, nullable=False),
)
"""Calls of a caller in a minute, for a rate limit that all replicas share."""
