"""Jobs in the journal: `JobStore`, and the list of `atelier jobs`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pipeline.job_store import KEYED, CallRow, JobRow, NewJob
from atelier.providers.pipeline.states import JOB_TRANSITIONS, CallState, JobState, sources_of
from atelier.providers.pricing.budget import Caps, Reservation, Shortage, usd_of
from atelier.server.database.engine import Database
from atelier.server.database.ledger import SqliteLedger, utc_day
from atelier.server.database.process_lock import ProcessLock

KEY_TTL = "-1 day"
"""How long an idempotency key stands for the same call."""
ABANDONED_AFTER = "-1 day"
"""After that any process claims an orphaned job, whichever folders it serves: no job stays running for ever."""
INLINE_TTL = "-1 hour"
"""How long the images of `save=false` stay stored for a caller who has not got them."""
COLLECT_WINDOW = "-30 minutes"
"""How long a vendor is polled for an unfinished task: FLUX keeps a picture for ten minutes after it is ready."""


def _listed(states: Sequence[str]) -> str:
    return ", ".join(f"'{state}'" for state in states)


ROW = """
    SELECT id, caller, request, state, outcome, delivered, created,
        (SELECT coalesce(sum(counted), 0) FROM spending WHERE spending.job = jobs.id) AS reserved
    FROM jobs
"""
ALIKE = f"""
    {ROW} WHERE caller = ? AND fingerprint = ? AND (
        NOT delivered AND (state = 'running' OR state IN ('done', 'unknown') AND fingerprint NOT LIKE '{KEYED}%')
        OR fingerprint LIKE '{KEYED}%'
            AND (state IN ('running', 'done', 'unknown') OR state = 'failed' AND reserved > 0)
            AND created > datetime('now', '{KEY_TTL}')
    ) ORDER BY state = 'running' DESC, created DESC LIMIT 1
"""
FINISH = f"""
    UPDATE jobs SET state = ?, outcome = ?, delivered = (delivered OR ?)
        AND NOT coalesce(json_array_length(iif(json_valid(outcome), outcome, '{{}}'), '$.images') BETWEEN 1 AND ?, 0)
    WHERE id = ? AND state IN ({_listed(sources_of(JobState.COMPLETED, JOB_TRANSITIONS))})
"""  # noqa: S608 - the states are ours
"""A job that ended before with fewer pictures is to be delivered again."""
EXPIRED_INLINE = f"""
    {ROW} WHERE state = 'done' AND created < datetime('now', '{INLINE_TTL}')
        AND json_extract(iif(json_valid(outcome), outcome, '{{}}'), '$.inline')
"""
ORPHANED = f"""
    SELECT id, CASE state WHEN 'running' THEN owner END, created < datetime('now', '{ABANDONED_AFTER}') FROM jobs
    WHERE state = 'running' OR created > datetime('now', '{COLLECT_WINDOW}')
        AND json_extract(iif(json_valid(outcome), outcome, '{{}}'), '$.collectable')
"""  # noqa: S608 - the numbers are ours


class SqliteJobStore(SqliteLedger):
    """Jobs, calls, pictures and money of every process that shares the file."""

    def __init__(self, database: Database, owner: ProcessLock, today: Callable[[], date] = utc_day) -> None:
        super().__init__(database, today)
        self._owner = owner

    async def open_job(self, entry: NewJob, charges: Sequence[Reservation], caps: Caps) -> Shortage | JobRow | None:
        """Write a job and reserve its charges, or return the same call's job to wait for or collect."""
        written = json.dumps(dict(entry.request), ensure_ascii=False)
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

        def transaction(connection: sqlite3.Connection) -> Shortage | JobRow | None:
            alike = _one(connection, ALIKE, entry.caller, entry.fingerprint)
            if alike and (alike.state != "unknown" or entry.fingerprint.startswith(KEYED)):
                return alike
            _check_number(connection, entry)
            if short := self.reserve_in(connection, charges, caps):
                return short
            connection.execute(
                "INSERT INTO jobs (id, caller, fingerprint, request, state, owner, created)"
                " VALUES (?, ?, ?, ?, 'running', ?, ?)",
                (entry.id, entry.caller, entry.fingerprint, written, self._owner.name, now),
            )
            return None

        return await self.database.write(transaction)

    async def count_by_state(self) -> dict[str, int]:
        """Return how many jobs there are in each state."""
        query = "SELECT state, count(*) FROM jobs GROUP BY state"
        return await self.database.read(lambda connection: dict(connection.execute(query).fetchall()), {})

    async def find_duplicate(self, caller: str, fingerprint: str) -> JobRow | None:
        """The newest job of that call that runs, was not delivered, or ended with an unknown outcome."""
        return await self.database.read(lambda connection: _one(connection, ALIKE, caller, fingerprint), None)

    async def get_job(self, id: str) -> JobRow | None:
        """Return the job of that id."""
        return await self.database.read(lambda connection: _one(connection, f"{ROW} WHERE id = ?", id), None)

    async def save_vendor_task(self, charge: str, task: Mapping[str, Any]) -> None:
        """Store the vendor task of a call."""
        await self._do("UPDATE charges SET task = ? WHERE id = ?", json.dumps(dict(task), default=str), charge)

    async def add_asset(self, job: str, charge: str, image: str) -> None:
        """Record that a picture of the call is stored."""
        await self._do("INSERT OR IGNORE INTO assets VALUES (?, ?, ?)", image, job, charge)

    async def finish_job(self, job: str, state: JobState, outcome: Mapping[str, Any]) -> None:
        """End a job."""
        words = json.dumps(dict(outcome), ensure_ascii=False, default=str)
        missing = state == JobState.COMPLETED and not outcome.get("images")  # not stored, so it cannot be collected
        await self._do(FINISH, state, words, missing, len(outcome.get("images", ())) - 1, job)

    async def mark_delivered(self, job: str) -> None:
        """Record that its answer was delivered."""
        await self._do("UPDATE jobs SET delivered = 1 WHERE id = ?", job)

    async def claim_orphaned_jobs(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """Claim the running jobs whose process is dead and those that can be collected late, and return them."""

        def orphaned(connection: sqlite3.Connection) -> list[JobRow]:
            found = list[JobRow]()
            for id, owner, abandoned in connection.execute(ORPHANED).fetchall():
                row = _one(connection, f"{ROW} WHERE id = ?", id)
                if row and (abandoned or ours(row.caller, row.home)) and (owner is None or self._owner.is_dead(owner)):
                    found.append(row)
            return found

        def claimed(connection: sqlite3.Connection) -> list[JobRow]:
            found = orphaned(connection)
            for row in found:
                connection.execute(
                    "UPDATE jobs SET owner = ?, state = 'running' WHERE id = ?", (self._owner.name, row.id)
                )
            return found

        if not await self.database.read(orphaned, []):  # a read, which holds up no writer
            return []
        return await self.database.write(claimed)

    async def list_expired_inline(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """Return the jobs whose inline images have expired."""
        rows = await self.database.read(lambda connection: list(map(_row, connection.execute(EXPIRED_INLINE))), [])
        return [row for row in rows if ours(row.caller, row.home)]

    async def forget_inline(self, job: str) -> None:
        """Record that the inline images of a job are deleted."""
        await self._do("UPDATE jobs SET outcome = json_remove(outcome, '$.inline') WHERE id = ?", job)

    async def list_calls(self, job: str) -> list[CallRow]:
        """Return the vendor calls of a job."""

        def transaction(connection: sqlite3.Connection) -> list[CallRow]:
            query = "SELECT id, provider || '/' || model, state, pictures, task FROM charges WHERE job = ? ORDER BY id"
            return [
                CallRow(
                    id=id,
                    model=model,
                    state=CallState(state),
                    pictures=pictures,
                    task=_object(task) if task else None,
                    images=tuple(i for (i,) in connection.execute("SELECT id FROM assets WHERE charge = ?", (id,))),
                )
                for id, model, state, pictures, task in connection.execute(query, (job,)).fetchall()
            ]

        return await self.database.read(transaction, [])

    async def list_jobs(self, limit: int, state: JobState | None = None) -> list[JobRow]:
        """Return the newest jobs, all of them or those in one state."""
        query = f"{ROW} WHERE ? IS NULL OR state = ? ORDER BY created DESC LIMIT ?"
        return await self.database.read(
            lambda connection: [_row(each) for each in connection.execute(query, (state, state, limit))], []
        )

    async def aclose(self) -> None:
        """Close the file and release the process lock."""
        await self.database.aclose()
        self._owner.close()

    async def _do(self, statement: str, *values: Any) -> None:
        if not self.database.exists:  # a free job has no row, and its events make no file
            return
        await self.database.write(lambda connection: connection.execute(statement, values))


def _check_number(connection: sqlite3.Connection, entry: NewJob) -> None:
    """Raise rate_limited when one more job of the caller would be too many, in all processes together."""
    if entry.max_running is not None:
        query = "SELECT count(*) FROM jobs WHERE caller = ? AND state = 'running'"
        (running,) = connection.execute(query, (entry.caller,)).fetchone()
        if running >= entry.max_running:
            message = f"{running} jobs are running already; nothing was sent."
            raise ImageError(Reason.RATE_LIMITED, message, hint="Wait until some of them are done.")


def _one(connection: sqlite3.Connection, query: str, *values: Any) -> JobRow | None:
    found = connection.execute(query, values).fetchone()
    return _row(found) if found else None


def _row(columns: tuple[Any, ...]) -> JobRow:
    id, caller, request, state, outcome, delivered, created, reserved = columns
    return JobRow(
        id=id,
        caller=caller,
        request=_object(request),
        state=JobState(state),
        outcome=_object(outcome),
        delivered=bool(delivered),
        created=created,
        reserved_usd=usd_of(reserved),
    )


def _object(text: str) -> dict[str, Any]:
    """Parse a JSON object; an empty one for anything else, since one damaged row must not stop the others."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]
