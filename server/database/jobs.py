"""Jobs in the database: `JobStore`, and the list of `atelier jobs`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import anyio
from sqlalchemy import Connection, Row, Select, and_, case, exists, func, insert, or_, select, update

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pipeline.job_store import CallIdentity, CallRow, JobRow, NewJob
from atelier.providers.pipeline.states import JOB_TRANSITIONS, CallState, JobState, sources_of
from atelier.providers.pricing.budget import Caps, Reservation, Shortage
from atelier.server.database.engine import Database
from atelier.server.database.ledger import COUNTED, SqlLedger, utc_day, utc_now
from atelier.server.database.notifications import JobNotifications
from atelier.server.database.process_lock import ProcessLock
from atelier.server.database.schema import Usd, assets, jobs, vendor_calls
from atelier.server.logs import log

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


class SqlJobStore(SqlLedger):
    """Jobs, vendor calls, assets and money of every process that shares the database."""

    def __init__(
        self,
        database: Database,
        owner: ProcessLock,
        today: Callable[[], date] = utc_day,
        notifications: JobNotifications | None = None,
    ) -> None:
        super().__init__(database, today)
        self._owner = owner
        self._notifications = notifications or JobNotifications()

    async def open_job(self, entry: NewJob, charges: Sequence[Reservation], caps: Caps) -> Shortage | JobRow | None:
        """Write a job and reserve its charges, or return the same call's job to wait for or collect."""
        identity = entry.identity

        def transaction(connection: Connection) -> Shortage | JobRow | None:
            self.database.lock_caller(connection, identity.caller)
            alike = _one(connection, _duplicates(identity))
            if alike and (alike.state != JobState.OUTCOME_UNKNOWN or identity.key):
                return alike
            _check_number(connection, entry)
            if short := self.reserve_in(connection, charges, caps):
                return short
            connection.execute(
                insert(jobs),
                {
                    "id": entry.id,
                    "caller": identity.caller,
                    "fingerprint": identity.fingerprint,
                    "idempotency_key": identity.key,
                    "request": _json(entry.request),
                    "state": JobState.RUNNING,
                    "outcome": "{}",
                    "image_count": 0,
                    "collectable": False,
                    "inline": False,
                    "owner": self._owner.name,
                    "created_at": utc_now(),
                },
            )
            return None

        return await self.database.write(transaction)

    async def find_duplicate(self, identity: CallIdentity) -> JobRow | None:
        """Return the newest equal job that runs, is not delivered, or ended with an unknown outcome."""
        return await self.database.read(lambda connection: _one(connection, _duplicates(identity)), None)

    async def get_job(self, id: str) -> JobRow | None:
        """Return the job of that id."""
        return await self.database.read(lambda connection: _one(connection, JOB_ROWS.where(job.id == id)), None)

    async def wait_for_end(self, id: str, seconds: float) -> None:
        """Wait until the job of another process may have ended, for so many seconds at most."""
        await self._notifications.wait(id, seconds)

    async def save_vendor_task(self, charge: str, task: Mapping[str, Any]) -> None:
        """Store the vendor task of a call."""
        await self._do(update(vendor_calls).where(vendor_calls.c.id == charge).values(vendor_task=_json(task)))

    async def add_asset(self, job: str, charge: str, image: str) -> None:
        """Record that an image of the call is stored."""

        def transaction(connection: Connection) -> None:
            if not connection.execute(select(assets.c.id).where(assets.c.id == image)).one_or_none():
                connection.execute(insert(assets), {"id": image, "job_id": job, "vendor_call_id": charge})

        if self.database.exists:
            await self.database.write(transaction)

    async def finish_job(self, id: str, state: JobState, outcome: Mapping[str, Any]) -> bool:
        """End a job of this process. False if it does not run, or another process has claimed it."""
        count, now = len(outcome.get("images", ())), utc_now()
        uncollectable = state == JobState.COMPLETED and not count  # its images could not be stored
        more_than_delivered = and_(job.image_count >= 1, job.image_count < count)
        delivered = func.coalesce(job.delivered_at, now) if uncollectable else job.delivered_at
        statement = (
            update(jobs)
            .where(job.id == id, job.state.in_(sources_of(state, JOB_TRANSITIONS)), job.owner.in_(self._owner.names))
            .values(
                state=state,
                outcome=_json(outcome),
                image_count=count,
                collectable=bool(outcome.get("collectable")),
                inline=bool(outcome.get("inline")),
                finished_at=now,
                delivered_at=case((more_than_delivered, None), else_=delivered),
            )
        )
        landed = await self._do(statement, changed=id)
        if not landed and self.database.exists and await self.get_job(id):
            log.warning("job end not written", extra={"facts": {"job": id, "why": "another process has claimed it"}})
        return landed

    async def mark_delivered(self, id: str) -> bool:
        """Record that its answer was delivered. False if there is no such job, or it was delivered before."""
        return await self._do(update(jobs).where(job.id == id, job.delivered_at.is_(None)).values(delivered_at=utc_now()))

    async def claim_orphaned_jobs(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """Claim the running jobs whose process is dead and those that can be collected late, and return them."""
        now = utc_now()
        late = and_(job.state == JobState.OUTCOME_UNKNOWN, job.collectable, job.created_at > now - COLLECT_WINDOW)
        rows = await self._list(JOB_ROWS.where(or_(job.state == JobState.RUNNING, late)).order_by(job.created_at))
        open_to_all = {row.id for row in rows if row.created_at < now - ORPHAN_OPEN_TO_ALL_AFTER}
        candidates = [row for row in rows if row.id in open_to_all or ours(row.caller, row.home)]
        if not candidates:
            return []
        owners = {row.owner for row in candidates if row.state == JobState.RUNNING}
        dead = {owner for owner in owners if await anyio.to_thread.run_sync(self._owner.is_dead, owner)}
        claimed = [row for row in candidates if row.state != JobState.RUNNING or row.owner in dead]
        return [row for row in claimed if await self.database.write(lambda connection, row=row: self._claim(connection, row))]

    def _claim(self, connection: Connection, row: JobRow) -> bool:
        """Claim a job, unless another process was quicker or an equal job runs meanwhile."""
        self.database.lock_caller(connection, row.caller)
        other = jobs.alias()
        equal = exists().where(
            other.c.id != row.id,
            other.c.caller == row.caller,
            other.c.state == JobState.RUNNING,
            or_(
                and_(other.c.fingerprint == row.fingerprint, other.c.idempotency_key.is_(None), job.idempotency_key.is_(None)),
                other.c.idempotency_key == job.idempotency_key,
            ),
        )
        statement = (
            update(jobs)
            .where(job.id == row.id, job.owner == row.owner, job.state == row.state, ~equal)
            .values(owner=self._owner.name, state=JobState.RUNNING, finished_at=None)
        )
        return connection.execute(statement).rowcount > 0

    async def list_expired_inline(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """Return the jobs whose inline images have expired."""
        expired = and_(job.inline, job.state == JobState.COMPLETED, job.created_at < utc_now() - INLINE_TTL)
        return [row for row in await self._list(JOB_ROWS.where(expired)) if ours(row.caller, row.home)]

    async def forget_inline(self, id: str) -> None:
        """Record that the inline images of a job are deleted."""
        if row := await self.get_job(id):
            left = {name: value for name, value in row.outcome.items() if name != "inline"}
            await self._do(update(jobs).where(job.id == id).values(outcome=_json(left), inline=False))

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
                    task=_object(row.vendor_task) if row.vendor_task else None,
                    images=tuple(stored.get(row.id, ())),
                )
                for row in connection.execute(select(vendor_calls).where(calls.job_id == id).order_by(calls.id))
            ]

        return await self.database.read(transaction, [])

    async def list_jobs(self, limit: int, state: JobState | None = None) -> list[JobRow]:
        """Return the newest jobs, all of them or those in one state."""
        query = JOB_ROWS.order_by(job.created_at.desc()).limit(limit)
        return await self._list(query if state is None else query.where(job.state == state))

    async def aclose(self) -> None:
        """Close the database and release the process lock."""
        self._notifications.close()
        await self.database.aclose()
        await anyio.to_thread.run_sync(self._owner.close)

    async def _list(self, query: Select[Any]) -> list[JobRow]:
        return await self.database.read(lambda connection: [_row(each) for each in connection.execute(query)], [])

    async def _do(self, statement: Any, changed: str | None = None) -> bool:
        """Run a statement; return whether a row was changed. Waiters hear of the job that `changed`."""
        if not self.database.exists:  # a free job has no row, and its events make no file
            return False

        def transaction(connection: Connection) -> bool:
            landed = connection.execute(statement).rowcount > 0
            if landed and changed:
                self._notifications.notify(connection, changed)
            return landed

        return await self.database.write(transaction)


def _duplicates(identity: CallIdentity) -> Select[Any]:
    """Return the query for the job of an equal call that can be joined, collected or warned of."""
    ended = job.state.in_([JobState.COMPLETED, JobState.OUTCOME_UNKNOWN])
    if identity.key:
        billed = and_(job.state == JobState.FAILED, COUNTED_USD > 0)
        stands = and_(or_(job.state == JobState.RUNNING, ended, billed), job.created_at > utc_now() - IDEMPOTENCY_KEY_TTL)
        same = job.idempotency_key == identity.key
    else:
        stands = and_(job.delivered_at.is_(None), or_(job.state == JobState.RUNNING, ended))
        same = and_(job.fingerprint == identity.fingerprint, job.idempotency_key.is_(None))
    running_first = case((job.state == JobState.RUNNING, 0), else_=1)
    query = JOB_ROWS.where(job.caller == identity.caller, same, stands)
    return query.order_by(running_first, job.created_at.desc()).limit(1)


def _check_number(connection: Connection, entry: NewJob) -> None:
    """Raise rate_limited when one more job of the caller would be too many, in all processes together."""
    if entry.max_running is not None:
        query = select(func.count()).where(job.caller == entry.identity.caller, job.state == JobState.RUNNING)
        running = connection.execute(query).scalar_one()
        if running >= entry.max_running:
            message = f"{running} jobs are running already; nothing was sent."
            raise ImageError(Reason.RATE_LIMITED, message, hint="Wait until some of them are done.")


def _one(connection: Connection, query: Select[Any]) -> JobRow | None:
    found = connection.execute(query).one_or_none()
    return _row(found) if found else None


def _row(row: Row[Any]) -> JobRow:
    return JobRow(
        id=row.id,
        caller=row.caller,
        fingerprint=row.fingerprint,
        request=_object(row.request),
        state=JobState(row.state),
        outcome=_object(row.outcome),
        owner=row.owner,
        created_at=row.created_at,
        delivered=row.delivered_at is not None,
        reserved_usd=row.counted_usd,
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, default=str)


def _object(text: str) -> dict[str, Any]:
    """Parse a JSON object; an empty one for anything else, since one damaged row must not stop the others."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]
