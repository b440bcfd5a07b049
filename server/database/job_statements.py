"""The statements on jobs and their rows; read jobs, and claim those of processes that died."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import anyio
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from atelier.providers.pipeline.job_store import CallIdentity, CallRow, JobRow
from atelier.providers.pipeline.states import JOB_STATES_BEFORE, CallState, JobState
from atelier.server.database.engine import Database
from atelier.server.database.ledger import COUNTED, SqlLedger, utc_day, utc_now
from atelier.server.database.process_lock import ProcessLock
from atelier.server.database.schema import Usd, UtcTime, assets, jobs, vendor_calls

IDEMPOTENCY_KEY_TTL = timedelta(days=1)
"""How long an idempotency key stands for the same call."""
ORPHAN_OPEN_TO_ALL_AFTER = timedelta(days=1)
"""After that any process claims an orphaned job, whichever folders it serves: no job stays running for ever."""
INLINE_TTL = timedelta(hours=1)
"""How long the images of `save=false` stay stored for a caller who has not got them."""
COLLECT_WINDOW = timedelta(minutes=30)
"""How long a vendor is polled for an unfinished task: FLUX keeps an image for ten minutes after it is ready."""

job = jobs.c

COUNTED_USD = (
    select(func.coalesce(func.sum(COUNTED, type_=Usd), 0, type_=Usd))
    .where(vendor_calls.c.job_id == job.id)
    .scalar_subquery()
)
JOB_ROWS: Select[Any] = select(jobs, COUNTED_USD.label("counted_usd"))
JOB_BY_ID = JOB_ROWS.where(job.id == bindparam("job_id"))

MORE_THAN_DELIVERED = and_(job.image_count >= 1, job.image_count < bindparam("images"))
FINISH = {
    state: update(jobs)
    .where(
        job.id == bindparam("job_id"),
        job.state.in_(JOB_STATES_BEFORE[state]),
        job.owner.in_(bindparam("owners", expanding=True)),
    )
    .values(
        state=state,
        image_count=bindparam("images"),
        delivered_at=case(
            (MORE_THAN_DELIVERED, None), else_=func.coalesce(job.delivered_at, bindparam("delivered", type_=UtcTime()))
        ),
    )
    for state in JobState
}
"""The statement that ends a job in a state. With more images than when it was delivered it becomes undelivered."""
DELIVER = update(jobs).where(job.id == bindparam("job_id"), job.delivered_at.is_(None))


def _newest_duplicate(same: ColumnElement[bool], stands: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the job of an equal call that can be joined, collected or warned of."""
    running_first = case((job.state == JobState.RUNNING, 0), else_=1)
    query = JOB_ROWS.where(job.caller == bindparam("caller"), same, stands)
    return query.order_by(running_first, job.created_at.desc()).limit(1)


ENDED = job.state.in_([JobState.COMPLETED, JobState.OUTCOME_UNKNOWN])
DUPLICATE_BY_KEY = _newest_duplicate(
    job.idempotency_key == bindparam("key"),
    and_(
        or_(job.state == JobState.RUNNING, ENDED, and_(job.state == JobState.FAILED, COUNTED_USD > 0)),
        job.created_at > bindparam("since"),
    ),
)
DUPLICATE_BY_REQUEST = _newest_duplicate(
    and_(job.fingerprint == bindparam("fingerprint"), job.idempotency_key.is_(None)),
    and_(job.delivered_at.is_(None), or_(job.state == JobState.RUNNING, ENDED)),
)


def find_duplicate(connection: Connection, identity: CallIdentity) -> JobRow | None:
    """Return the newest job of an equal call that can be joined, collected or warned of."""
    if identity.key:
        since = utc_now() - IDEMPOTENCY_KEY_TTL
        return one_row(connection, DUPLICATE_BY_KEY, caller=identity.caller, key=identity.key, since=since)
    return one_row(connection, DUPLICATE_BY_REQUEST, caller=identity.caller, fingerprint=identity.fingerprint)


RUNNING_JOBS = JOB_ROWS.where(job.state == literal(JobState.RUNNING.value, literal_execute=True))
"""The state is in the statement itself, since SQLite uses the index of running jobs for nothing else."""


def collectable_late() -> Select[Any]:
    """Return the query for jobs that have ended, and of which the vendor may still return images."""
    ended = job.state.in_(JOB_STATES_BEFORE[JobState.RUNNING])
    return JOB_ROWS.where(ended, job.collectable, job.created_at > utc_now() - COLLECT_WINDOW)


def claim(row: JobRow) -> Update:
    """Return the update of a job that no other process has claimed meanwhile, and of which no equal one runs."""
    other = jobs.alias("other").c
    comparable = [column.is_(None) for each in (job, other) for column in (each.idempotency_key, each.delivered_at)]
    same_request = and_(other.fingerprint == job.fingerprint, *comparable)
    same = or_(same_request, other.idempotency_key == job.idempotency_key)
    runs = exists().where(other.id != job.id, other.caller == job.caller, other.state == JobState.RUNNING, same)
    return update(jobs).where(job.id == row.id, job.owner == row.owner, job.state == row.state, ~runs)


def expired_inline() -> Select[Any]:
    """Return the query for jobs whose inline images have expired."""
    old = job.created_at < utc_now() - INLINE_TTL
    return JOB_ROWS.where(job.inline, job.state == JobState.COMPLETED, old)


def one_row(connection: Connection, query: Select[Any], **parameters: Any) -> JobRow | None:
    found = connection.execute(query, parameters).one_or_none()
    return job_row(found) if found else None


def job_row(row: Row[Any]) -> JobRow:
    request = json_object(row.request)
    return JobRow(
        id=row.id,
        caller=row.caller,
        fingerprint=row.fingerprint,
        request=request,
        state=JobState(row.state),
        outcome=json_object(row.outcome),
        owner=row.owner,
        created_at=row.created_at,
        delivered=row.delivered_at is not None,
        reserved_usd=row.counted_usd,
        home=str(request.get("home", "")),
    )


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; an empty one for anything else, since one damaged row must not stop the others."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


class SqlJobReader(SqlLedger):
    """Reads jobs, and claims those whose process died."""

    def __init__(self, database: Database, owner: ProcessLock, today: Callable[[], date] = utc_day) -> None:
        super().__init__(database, today)
        self._owner = owner

    async def claim_orphaned_jobs(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """Claim the running jobs whose process is dead and those that can be collected late, and return them."""
        rows = sorted(await self._list(RUNNING_JOBS, collectable_late()), key=lambda row: row.created_at)
        open_to_all = {row.id for row in rows if row.created_at < utc_now() - ORPHAN_OPEN_TO_ALL_AFTER}
        candidates = [row for row in rows if row.id in open_to_all or ours(row.caller, row.home)]
        if not candidates:
            return []
        owners = {row.owner for row in candidates if row.state == JobState.RUNNING}
        dead = {owner for owner in owners if await anyio.to_thread.run_sync(self._owner.is_dead, owner)}
        orphans = [row for row in candidates if row.state != JobState.RUNNING or row.owner in dead]
        return [row for row in orphans if await self.database.write(partial(self._claim, row))]

    def _claim(self, row: JobRow, connection: Connection) -> bool:
        """Claim a job, unless another process claimed it first or an equal job runs meanwhile."""
        self.database.lock_caller(connection, row.caller)
        claimed = claim(row).values(owner=self._owner.name, state=JobState.RUNNING, finished_at=None)
        return connection.execute(claimed).rowcount > 0

    async def list_expired_inline(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """Return the jobs whose inline images have expired."""
        return [row for row in await self._list(expired_inline()) if ours(row.caller, row.home)]

    async def list_calls(self, id: str) -> list[CallRow]:
        """Return the vendor calls of a job."""
        calls = vendor_calls.c

        def transaction(connection: Connection) -> list[CallRow]:
            stored: dict[str, list[str]] = {}
            query = select(assets.c.vendor_call_id, assets.c.id).where(assets.c.job_id == id).order_by(assets.c.id)
            for call, image in connection.execute(query):
                stored.setdefault(call, []).append(image)
            return [
                CallRow(
                    id=row.id,
                    model=f"{row.provider}/{row.model}",
                    state=CallState(row.state),
                    pictures=row.image_count,
                    task=json_object(row.vendor_task) if row.vendor_task else None,
                    images=tuple(stored.get(row.id, ())),
                )
                for row in connection.execute(select(vendor_calls).where(calls.job_id == id).order_by(calls.id))
            ]

        return await self.database.read(transaction, [])

    async def count_by_state(self) -> dict[str, int]:
        """Return how many jobs there are in each state."""
        query = select(job.state, func.count()).group_by(job.state)
        return await self.database.read(lambda c: {row[0]: row[1] for row in c.execute(query)}, {})

    async def list_jobs(self, limit: int, state: JobState | None = None) -> list[JobRow]:
        """Return the newest jobs, all of them or those in one state."""
        query = JOB_ROWS.order_by(job.created_at.desc()).limit(limit)
        return await self._list(query if state is None else query.where(job.state == state))

    async def _list(self, *queries: Select[Any]) -> list[JobRow]:
        return await self.database.read(
            lambda connection: [job_row(row) for query in queries for row in connection.execute(query)], []
        )
