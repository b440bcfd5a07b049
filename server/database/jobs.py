"""Jobs in the database: `JobStore`, and the list of `atelier jobs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any

import anyio
from sqlalchemy import Connection, Select, func, insert, select, update

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pipeline.job_store import CallIdentity, CallRow, JobRow, JobStore, NewJob
from atelier.providers.pipeline.states import CallState, JobState
from atelier.providers.pricing.budget import CapExceeded, Caps, Reservation
from atelier.server.database.engine import Database
from atelier.server.database.job_queries import (
    DELIVER,
    FINISH,
    JOB_BY_ID,
    JOB_ROWS,
    ORPHAN_OPEN_TO_ALL_AFTER,
    RUNNING_JOBS,
    claim,
    collectable_late,
    expired_inline,
    find_duplicate,
    job,
    job_row,
    json_object,
    one_row,
    to_json,
)
from atelier.server.database.ledger import SqlLedger, utc_day, utc_now
from atelier.server.database.notifications import JobNotifications
from atelier.server.database.process_lock import ProcessLock
from atelier.server.database.schema import assets, jobs, vendor_calls
from atelier.server.observability.logs import log


class SqlJobStore(SqlLedger, JobStore):
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

    async def open_job(
        self, entry: NewJob, reservations: Sequence[Reservation], caps: Caps
    ) -> CapExceeded | JobRow | None:
        """Write a job and reserve its charges, or return the same call's job to wait for or collect."""
        identity = entry.identity

        def transaction(connection: Connection) -> CapExceeded | JobRow | None:
            self.database.lock_caller(connection, identity.caller)
            alike = find_duplicate(connection, identity)
            if alike and (alike.state != JobState.OUTCOME_UNKNOWN or identity.key):
                return alike
            _check_running_limit(connection, entry)
            if short := self.reserve_in(connection, reservations, caps):
                return short
            connection.execute(
                insert(jobs),
                {
                    "id": entry.id,
                    "caller": identity.caller,
                    "fingerprint": identity.fingerprint,
                    "idempotency_key": identity.key,
                    "request": to_json(entry.request),
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

        return await self.database.write(transaction, durable=False)  # `mark_sent` is, before anything is sent

    async def count_by_state(self) -> dict[str, int]:
        """Return how many jobs there are in each state."""
        query = select(job.state, func.count()).group_by(job.state)
        return await self.database.read(lambda c: {row[0]: row[1] for row in c.execute(query)}, {})

    async def find_duplicate(self, identity: CallIdentity) -> JobRow | None:
        """Return the newest equal job that runs, is not delivered, or ended with an unknown outcome."""
        return await self.database.read(lambda connection: find_duplicate(connection, identity), None)

    async def get_job(self, id: str) -> JobRow | None:
        """Return the job of that id."""
        return await self.database.read(lambda connection: one_row(connection, JOB_BY_ID, job_id=id), None)

    async def wait_for_end(self, id: str, seconds: float) -> None:
        """Wait until the job of another process may have ended, for at most `seconds`."""
        await self._notifications.wait(id, seconds)

    async def save_vendor_task(self, vendor_call_id: str, task: Mapping[str, Any]) -> None:
        """Store the vendor task of a call."""
        await self._do(
            update(vendor_calls).where(vendor_calls.c.id == vendor_call_id).values(vendor_task=to_json(task))
        )

    async def add_asset(self, job: str, vendor_call_id: str, image: str) -> None:
        """Record that an image of the call is stored."""

        def transaction(connection: Connection) -> None:
            if not connection.execute(select(assets.c.id).where(assets.c.id == image)).one_or_none():
                connection.execute(insert(assets), {"id": image, "job_id": job, "vendor_call_id": vendor_call_id})

        if self.database.exists:
            await self.database.write(transaction, durable=False)

    async def finish_job(self, id: str, state: JobState, outcome: Mapping[str, Any]) -> bool:
        """End a job of this process. False if it does not run, or another process has claimed it."""
        count, now = len(outcome.get("images", ())), utc_now()
        uncollectable = state == JobState.COMPLETED and not count  # its images could not be stored
        parameters = {
            "job_id": id,
            "owners": self._owner.names,
            "images": count,
            "delivered": now if uncollectable else None,
            "outcome": to_json(outcome),
            "collectable": bool(outcome.get("collectable")),
            "inline": bool(outcome.get("inline")),
            "finished_at": now,
        }
        written = await self._do(FINISH[state], parameters, changed=id, durable=False)
        if not written and self.database.exists and await self.get_job(id):
            log.warning("job end not written", extra={"facts": {"job": id, "why": "another process has claimed it"}})
        return written

    async def mark_delivered(self, id: str) -> bool:
        """Record that its answer was delivered. False if there is no such job, or it was delivered before."""
        return await self._do(DELIVER, {"job_id": id, "delivered_at": utc_now()}, durable=False)

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

    async def forget_inline(self, id: str) -> None:
        """Record that the inline images of a job are deleted."""
        if row := await self.get_job(id):
            left = {name: value for name, value in row.outcome.items() if name != "inline"}
            await self._do(update(jobs).where(job.id == id).values(outcome=to_json(left), inline=False))

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

    async def list_jobs(self, limit: int, state: JobState | None = None) -> list[JobRow]:
        """Return the newest jobs, all of them or those in one state."""
        query = JOB_ROWS.order_by(job.created_at.desc()).limit(limit)
        return await self._list(query if state is None else query.where(job.state == state))

    async def aclose(self) -> None:
        """Close the database and release the process lock."""
        self._notifications.close()
        await self.database.aclose()
        await anyio.to_thread.run_sync(self._owner.close)

    async def _list(self, *queries: Select[Any]) -> list[JobRow]:
        return await self.database.read(
            lambda connection: [job_row(row) for query in queries for row in connection.execute(query)], []
        )

    async def _do(
        self,
        statement: Any,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        *,
        changed: str | None = None,
        durable: bool = True,
    ) -> bool:
        """Run a statement; return whether a row was changed. Waiters are notified of the job that `changed`."""
        if not self.database.exists:  # a free job has no row, and its events make no file
            return False

        def transaction(connection: Connection) -> bool:
            changed_row = connection.execute(statement, parameters).rowcount > 0
            if changed_row and changed:
                self._notifications.notify(connection, changed)
            return changed_row

        return await self.database.write(transaction, durable=durable)


def _check_running_limit(connection: Connection, entry: NewJob) -> None:
    """Raise rate_limited when the caller's running jobs, in all processes together, have reached the limit."""
    if entry.max_running is not None:
        query = select(func.count()).where(job.caller == entry.identity.caller, job.state == JobState.RUNNING)
        running = connection.execute(query).scalar_one()
        if running >= entry.max_running:
            message = f"{running} jobs are running already; nothing was sent."
            raise ImageError(Reason.RATE_LIMITED, message, hint="Wait until some of them are done.")
