"""Wait for the result of a job up to a deadline: of this process, of another one, or of one that died.

Deadlines are times of anyio's clock. A caller whose deadline passes gets the job's handle, and the job goes on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import anyio

from atelier.providers.core.concurrency import is_cancelled
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.tracing import add_context, current_span
from atelier.providers.core.types import Progress
from atelier.providers.jobs.delivery import DeliveryTracker
from atelier.providers.jobs.runner import JobRunner
from atelier.providers.jobs.running_job import JobHandle, RunningJob, handle_of_row
from atelier.providers.jobs.stored_job import decode_error, decode_result, with_locations
from atelier.providers.jobs.sweeper import OrphanSweeper
from atelier.providers.pipeline.job_store import CallIdentity, JobRow
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.states import JobState

REMOTE_JOB_POLL_INTERVAL = 0.5  # seconds between two looks at a job of another process
STORAGE_TIMEOUT = 3.0  # seconds that a storage has at least to return the images of a job that has ended

REMOTE = "Another process is running this job."
REMOTE_OR_ORPHANED = "Another process is running this job, or it stopped and the job is being recovered."


class JobWaiter:
    """Waits for jobs over one pipeline; it starts none, and triggers the sweeper for orphaned ones."""

    def __init__(
        self, pipeline: Pipeline, runner: JobRunner, deliveries: DeliveryTracker, sweeper: OrphanSweeper
    ) -> None:
        self._pipeline = pipeline
        self._runner = runner
        self._deliveries = deliveries
        self._sweeper = sweeper

    async def find_duplicate(self, identity: CallIdentity, deadline: float) -> JobRow | None:
        """Return an earlier job of the same call to join, to collect or to warn of, if there is one."""
        swept = False
        while row := await self._pipeline.store.find_duplicate(identity):
            if await self._deliveries.wait_recorded(row.id):
                continue
            if not (self._is_remote(row) or row.collectable) or swept:
                return row
            swept = True
            with anyio.CancelScope(deadline=deadline) as scope:  # its process may have died, or its images be ready
                await self._sweeper.sweep()
            if scope.cancelled_caught:
                return replace(row, state=JobState.RUNNING)  # whether there is anything to collect is not known yet
        return None

    async def wait_for_result(self, job: RunningJob, on_progress: Progress, deadline: float) -> ImageResult | JobHandle:
        """Wait for a job of this process. The last caller that leaves before anything was sent cancels it."""
        _note_job(job.id)
        await on_progress(job.latest)
        job.listeners.append(on_progress)
        try:
            with anyio.CancelScope(deadline=float("inf") if job.prepared.priced.is_free else deadline):
                await job.done.wait()
        finally:
            job.listeners.remove(on_progress)
            if is_cancelled() and not (job.done.is_set() or job.listeners or job.keeps_running):
                job.prepared.stop.cancel()
                if job.prepared.priced.job.endpoint.is_local:  # free: without a caller it need not finish
                    job.prepared.cancel()
        if job.found and not self._runner.get(job.id) and (row := await self._pipeline.store.get_job(job.id)):
            return await self.wait_for_row(row, on_progress, deadline)
        if job.error:
            raise job.error
        if job.result:
            return with_locations(job.result, self._pipeline.for_caller(job.identity.caller).storage)
        job.keeps_running = True
        return await self._with_usual_time(job.handle, job.identity.caller)

    async def wait_for_row(self, row: JobRow, on_progress: Progress, deadline: float) -> ImageResult | JobHandle:
        """Wait for a job by its row, whichever process runs it or ran it."""
        _note_job(row.id)
        latest = REMOTE
        if self._is_remote(row):
            await on_progress(latest)
        with anyio.CancelScope(deadline=deadline) as scope:
            while self._is_remote(row) or row.collectable:
                latest = REMOTE_OR_ORPHANED
                await self._sweeper.sweep()
                latest, was_collectable = REMOTE, row.collectable
                if not was_collectable and not self._runner.get(row.id):
                    await self._pipeline.store.wait_for_end(row.id, REMOTE_JOB_POLL_INTERVAL)
                row = await self._pipeline.store.get_job(row.id) or _raise_row_missing(row)
                if was_collectable and row.collectable:
                    break  # the vendor was polled; no images yet
        if job := self._runner.get(row.id):
            return await self.wait_for_result(job, on_progress, deadline)
        if row.state == JobState.RUNNING or (row.collectable and scope.cancelled_caught):
            return await self._with_usual_time(handle_of_row(row, latest), row.caller)
        return await self._stored_result(row, deadline)

    async def _stored_result(self, row: JobRow, deadline: float) -> ImageResult:
        """Return the stored result of a job that has ended. Raises the error in which it did, or storage_failed."""
        storage = self._pipeline.for_caller(row.caller).storage
        if row.state != JobState.COMPLETED or storage is None:
            raise decode_error(row)
        with anyio.CancelScope(deadline=max(deadline, anyio.current_time() + STORAGE_TIMEOUT)):
            return await decode_result(row, storage)
        message = f"The images of {row.id} are stored, but their storage did not answer in time."
        raise ImageError(Reason.STORAGE_FAILED, message, hint="Ask again later; they are not paid for again.")

    async def _with_usual_time(self, handle: JobHandle, caller: str) -> JobHandle:
        """Add how long such calls took lately. A store that cannot be read now takes nothing from the answer."""
        try:
            usual = await self._pipeline.store.usual_seconds(caller, f"{handle.provider}/{handle.model}")
        except ImageError:
            return handle
        return replace(handle, usual=usual)

    def _is_remote(self, row: JobRow) -> bool:
        return row.state == JobState.RUNNING and not self._runner.get(row.id)


def _note_job(id: str) -> None:
    """Name the job in the log lines and the span of the call."""
    add_context(job=id)
    current_span().set({"atelier.job.id": id})


def _raise_row_missing(row: JobRow) -> NoReturn:
    """Raise storage_failed: whether a process works on the job is not known any more."""
    message = f"The job store that held {row.id} was moved or removed meanwhile."
    hint = "The same call later joins it if it still runs, or else makes new images."
    raise ImageError(Reason.STORAGE_FAILED, message, hint=hint)
