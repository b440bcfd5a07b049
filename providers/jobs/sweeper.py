"""Claim the jobs of processes that died, one sweep at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.errors import ImageError
from atelier.providers.jobs.recovery import UNKNOWN_OUTCOME_ERROR, recover_job, stores_here
from atelier.providers.jobs.runner import COLLECTING, RunningJob
from atelier.providers.jobs.stored_job import encode_error
from atelier.providers.pipeline.job_store import CallIdentity, JobRow
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.states import JobState

log = logging.getLogger("atelier")


class _Sweep:
    """One sweep, shared by all callers that requested it before it began."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.error: Exception | None = None


class OrphanSweeper:
    """Sweeps run in the task group, one after the other; concurrent callers share the next one.

    `start` runs a job of which the vendor can still return images.
    """

    def __init__(self, pipeline: Pipeline, start: Callable[[RunningJob], None], tasks: TaskGroup) -> None:
        self._pipeline = pipeline
        self._start = start
        self._tasks = tasks
        self._lock = anyio.Lock()
        self._next: _Sweep | None = None
        self._claimed = list[JobRow]()

    async def sweep(self) -> None:
        """Wait for a whole sweep from now on. Raises storage_failed when the store cannot be read.

        Cancelling a caller does not cancel the sweep: this process owns the rows that it claimed.
        """
        if self._next is None:
            self._next = _Sweep()
            self._tasks.start_soon(self._run, self._next)
        mine = self._next
        await mine.ended.wait()
        if mine.error:
            raise mine.error

    async def _run(self, mine: _Sweep) -> None:
        async with self._lock:
            self._next = None
            try:
                await self._claim_and_recover()
            except Exception as error:  # noqa: BLE001 - raised by `sweep`; the task group goes on
                mine.error = error
            finally:
                mine.ended.set()

    async def _claim_and_recover(self) -> None:
        """Recover each claimed job. One whose images cannot be looked for now stays claimed for the next sweep."""
        self._claimed += await self._pipeline.store.claim_orphaned_jobs(self._may_claim)
        for row in list(self._claimed):
            if await self._try_recover(row):
                self._claimed.remove(row)

    async def _try_recover(self, row: JobRow) -> bool:
        """Return whether the job has ended or runs again."""
        try:
            job = await recover_job(self._pipeline.for_caller(row.caller), row)
        except ImageError as error:
            log.warning("job not recovered", extra={"facts": {"job": row.id, "why": error.message}})
            return False
        except Exception:  # a job that cannot be understood must neither stop the others nor stay running
            log.exception("job not recovered", extra={"facts": {"job": row.id}})
            await self._pipeline.store.finish_job(row.id, JobState.OUTCOME_UNKNOWN, encode_error(UNKNOWN_OUTCOME_ERROR))
            return True
        if job:
            identity = CallIdentity(caller=row.caller, fingerprint=row.id)
            running = RunningJob(
                prepared=job.prepared, identity=identity, found=job.found, notes=job.notes, latest=COLLECTING
            )
            self._start(running)
        return True

    def _may_claim(self, caller: str, home: str) -> bool:
        """Whether this process stores that caller's images where the job's are."""
        return stores_here(self._pipeline.for_caller(caller), home)
