"""The store of jobs: every change of a job and of its vendor calls. `job_statements` reads, `ledger` counts money."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import anyio
from sqlalchemy import Connection, bindparam, func, insert, select, update

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pipeline.job_store import CallIdentity, JobRow, JobStore, NewJob
from atelier.providers.pipeline.states import CALL_STATES_BEFORE, CallState, JobState
from atelier.providers.pricing.budget import CapExceeded, Caps, Reservation
from atelier.server.database.engine import Database
from atelier.server.database.job_statements import (
    DELIVER,
    FINISH,
    JOB_BY_ID,
    SqlJobReader,
    find_duplicate,
    job,
    one_row,
)
from atelier.server.database.ledger import utc_day
from atelier.server.database.notifications import JobNotifications
from atelier.server.database.process_lock import ProcessLock
from atelier.server.database.schema import assets, jobs, vendor_calls
from atelier.server.observability.logs import log

STATE_CHANGES = {
    state: update(vendor_calls)
    .where(vendor_calls.c.id == bindparam("call_id"), vendor_calls.c.state.in_(CALL_STATES_BEFORE[state]))
    .values(state=state)
    for state in CallState
}
"""The statement that moves a call to a state, if the present one allows it; built once, because that is slow."""


def to_json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, default=str)


class SqlJobStore(SqlJobReader, JobStore):
    """Jobs, vendor calls, assets and money of every process that shares the database."""

    def __init__(
        self,
        database: Database,
        owner: ProcessLock,
        today: Callable[[], date] = utc_day,
        notifications: JobNotifications | None = None,
    ) -> None:
        super().__init__(database, owner, today)
        self._notifications = notifications or JobNotifications()

    async def open_job(
        self, entry: NewJob, reservations: Sequence[Reservation], caps: Caps
    ) -> CapExceeded | JobRow | None:
        """Write a job and reserve for its vendor calls, or return the same call's job to wait for or collect."""
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
                    "created_at": datetime.now(UTC),
                },
            )
            return None

        return await self.database.write(transaction, durable=False)  # `mark_sent` is, before anything is sent

    async def find_duplicate(self, identity: CallIdentity) -> JobRow | None:
        """Return the newest equal job that runs, is not delivered, or ended with an unknown outcome."""
        return await self.database.read(lambda connection: find_duplicate(connection, identity), None)

    async def get_job(self, id: str) -> JobRow | None:
        """Return the job of that id."""
        return await self.database.read(lambda connection: one_row(connection, JOB_BY_ID, job_id=id), None)

    async def wait_for_end(self, id: str, seconds: float) -> None:
        """Wait until the job of another process may have ended, for at most `seconds`."""
        await self._notifications.wait(id, seconds)

    async def mark_sent(self, id: str) -> bool:
        """Record that the request is about to be sent. False if the call is in a state that does not allow it."""
        return await self._do(STATE_CHANGES[CallState.SENT], {"call_id": id, "sent_at": datetime.now(UTC)})

    async def settle_call(self, id: str, usd: Decimal | None) -> bool:
        """Record what was billed. False if the call was settled or released before."""
        parameters = {"call_id": id, "spent_usd": usd, "settled_at": datetime.now(UTC)}
        return await self._do(STATE_CHANGES[CallState.SETTLED], parameters)

    async def release_call(self, id: str) -> bool:
        """Record that nothing was billed. False if the call has ended before."""
        return await self._do(STATE_CHANGES[CallState.RELEASED], {"call_id": id})

    async def mark_call_unknown(self, id: str) -> bool:
        """Record that it is unknown whether it was billed. False if it was not sent, or has ended before."""
        return await self._do(STATE_CHANGES[CallState.UNKNOWN], {"call_id": id})

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

        await self.database.change(transaction, None, durable=False)

    async def finish_job(self, id: str, state: JobState, outcome: Mapping[str, Any]) -> bool:
        """End a job of this process. False if it does not run, or another process has claimed it."""
        count, now = len(outcome.get("images", ())), datetime.now(UTC)
        nothing_stored = state == JobState.COMPLETED and not count  # its images could not be stored
        parameters = {
            "job_id": id,
            "owners": self._owner.names,
            "images": count,
            "delivered": now if nothing_stored else None,
            "outcome": to_json(outcome),
            "collectable": bool(outcome.get("collectable")),
            "inline": bool(outcome.get("inline")),
            "finished_at": now,
        }
        written = await self._do(FINISH[state], parameters, changed=id, durable=False)
        if not written and await self.get_job(id):
            log.warning("job end not written", extra={"facts": {"job": id, "why": "another process has claimed it"}})
        return written

    async def mark_delivered(self, id: str) -> bool:
        """Record that its answer was delivered. False if there is no such job, or it was delivered before."""
        return await self._do(DELIVER, {"job_id": id, "delivered_at": datetime.now(UTC)}, durable=False)

    async def forget_inline(self, id: str) -> None:
        """Record that the inline images of a job are deleted."""
        if row := await self.get_job(id):
            left = {name: value for name, value in row.outcome.items() if name != "inline"}
            await self._do(update(jobs).where(job.id == id).values(outcome=to_json(left), inline=False))

    async def aclose(self) -> None:
        """Close the database and release the process lock."""
        self._notifications.close()
        await self.database.aclose()
        await anyio.to_thread.run_sync(self._owner.close)

    async def _do(
        self,
        statement: Any,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        *,
        changed: str | None = None,
        durable: bool = True,
    ) -> bool:
        """Run a statement; return whether a row was changed. Waiters are notified of the job that `changed`."""

        def transaction(connection: Connection) -> bool:
            changed_row = connection.execute(statement, parameters).rowcount > 0
            if changed_row and changed:
                self._notifications.notify(connection, changed)
            return changed_row

        return await self.database.change(transaction, False, durable=durable)


def _check_running_limit(connection: Connection, entry: NewJob) -> None:
    """Raise rate_limited when the caller's running jobs, in all processes together, have reached the limit."""
    if entry.max_running is not None:
        query = select(func.count()).where(job.caller == entry.identity.caller, job.state == JobState.RUNNING)
        running = connection.execute(query).scalar_one()
        if running >= entry.max_running:
            message = f"{running} jobs are running already; nothing was sent."
            raise ImageError(Reason.RATE_LIMITED, message, hint="Wait until some of them are done.")
