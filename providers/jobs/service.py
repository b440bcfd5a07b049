"""The image service: submit a request, wait for its result up to a limit, or get it later by the job's id.

A job runs in the service's own task group, so it outlives the call that began it. An equal call joins a running job,
and collects one that has ended undelivered. When the last caller disconnects before anything was sent, it is cancelled.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Self

import anyio
from anyio.abc import TaskStatus

from atelier.providers.core.concurrency import no_progress, run_shielded
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.tracing import add_context
from atelier.providers.core.types import ImageRequest, Progress
from atelier.providers.jobs.delivery import DeliveryTracker
from atelier.providers.jobs.image_calls import ImageCalls
from atelier.providers.jobs.runner import JobRunner, RunningJob
from atelier.providers.jobs.stored_job import check_key, encode_request, fingerprint, key_hash, unknown_outcome_warning
from atelier.providers.jobs.sweeper import OrphanSweeper
from atelier.providers.jobs.waiter import JobHandle, JobWaiter
from atelier.providers.pipeline.admit import PricedRequest, check_and_price
from atelier.providers.pipeline.fallback import check_fallback_names
from atelier.providers.pipeline.job_store import CallIdentity, JobRow, NewJob
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.prepare import cap_exceeded, reservations_for
from atelier.providers.pipeline.states import JobState
from atelier.providers.pricing.budget import CapExceeded, Confirm

__all__ = ["ImageService", "JobHandle"]

WAIT_TIMEOUT = 50.0  # seconds that a caller waits before it gets the job's id; hosts give up at 60
MIN_WAIT = 1.0  # seconds that `with_time_spent` leaves at least
NO_JOB = "Take the id from the answer that said “running”, or make the same call again: it joins a job that still runs."

Result = ImageResult | JobHandle


class ImageService(ImageCalls):
    """Submits requests and runs their jobs. An async context manager: leaving it waits for what was sent.

    `wait` is how many seconds a caller waits; None is without limit. `fallback` are the models to move on to.
    """

    def __init__(self, pipeline: Pipeline, *, wait: float | None = WAIT_TIMEOUT, fallback: Sequence[str] = ()) -> None:
        self.pipeline = pipeline
        self._wait = math.inf if wait is None else wait
        self._max_running: int | None = None
        self._fallback = tuple(fallback)
        self._outer_tasks = anyio.create_task_group()
        self._tasks = anyio.create_task_group()
        self._closing = anyio.Event()
        self._runner = JobRunner(pipeline, self._tasks)
        self._deliveries = DeliveryTracker(pipeline, self._tasks)
        self._sweeper = OrphanSweeper(pipeline, self._runner.start, self._tasks)
        self._waiter = JobWaiter(pipeline, self._runner, self._deliveries, self._sweeper)

    async def __aenter__(self) -> Self:
        await self.pipeline.__aenter__()
        await self._outer_tasks.__aenter__()
        await run_shielded(partial(self._outer_tasks.start, self._run_tasks))
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self._runner.close()
        self._closing.set()
        self._outer_tasks.cancel_scope.shield = True
        await self._outer_tasks.__aexit__(None, None, None)
        await run_shielded(partial(self.pipeline.__aexit__, *raised))
        await run_shielded(self.pipeline.store.aclose)

    async def _run_tasks(self, *, task_status: TaskStatus[None]) -> None:
        """Keep the task group open until the service closes, even if its user is cancelled: what was sent is paid."""
        with anyio.CancelScope(shield=True):
            async with self._tasks:
                task_status.started()
                await self._closing.wait()
            self._deliveries.close()

    @property
    def active_jobs(self) -> Collection[str]:
        """The ids of the jobs that run, or whose delivery is being recorded."""
        return [*self._runner.active_jobs, *self._deliveries.recording]

    def with_wait(self, wait: float, max_running: int | None = None) -> Self:
        """Return the service with another wait limit (seconds) and limit of running jobs."""
        other = copy.copy(self)
        other._wait, other._max_running = wait, max_running  # noqa: SLF001
        return other

    def with_time_spent(self, seconds: float) -> Self:
        """Return the service with the wait limit reduced by the seconds that the caller has waited."""
        return self.with_wait(max(min(self._wait, MIN_WAIT), self._wait - seconds), self._max_running)

    def for_caller(self, caller: str) -> Self:
        """Return the service over the images of a caller; see `Pipeline.for_caller`."""
        other = copy.copy(self)
        other.pipeline = self.pipeline.for_caller(caller)
        return other

    def stop_unsent(self) -> None:
        """Cancel the vendor calls that were not sent yet. The rest goes on."""
        self._runner.stop_unsent()

    async def submit(
        self,
        request: ImageRequest,
        *,
        caller: str = "1",
        inline_limit: int = 0,
        fallback: Sequence[str] | None = None,
        key: str | None = None,
        body: str | None = None,
        on_progress: Progress = no_progress,
        confirm: Confirm | None = None,
    ) -> Result:
        """Return the images, or the job's handle when they take longer than the wait. Raises ImageError without any.

        `caller` pays. `inline_limit` is the bytes of images that the caller takes in the answer instead of having them
        stored; 0 stores them. `fallback` are the models to move on to, by default the service's. Calls with the same
        idempotency `key` within a day are one call, whose `body` (by default the request) must stay the same.
        `confirm` asks the caller about a price; see `Pipeline.prepare_job`.
        """
        # 1. admit: resolve the model, pass the gates, price it
        deadline = self._deadline()
        self.pipeline.for_caller(caller).check_delivery(request, inline=bool(inline_limit))
        priced = check_and_price(self.pipeline.catalog, request, suggest=True)
        # 2. identify the call
        call_hash = key_hash(body) if key and body else await self._fingerprint(priced, bool(inline_limit), caller)
        identity = CallIdentity(caller=caller, fingerprint=call_hash, key=key_hash(key) if key else None)
        # 3. join a running job, or collect an earlier one
        while (running := self._runner.find_duplicate(identity)) and running.is_cancelled:
            await running.done.wait()
        recorded = bool(key) or not priced.is_free
        earlier = await self._waiter.find_duplicate(identity, deadline) if recorded else None
        check_key(identity, earlier and earlier.fingerprint)
        if running := self._runner.find_duplicate(identity):
            check_key(identity, running.identity.fingerprint)
            return self._returned(await self._waiter.wait_for_result(running, on_progress, deadline), caller)
        collects = earlier is not None and (bool(key) or earlier.state != JobState.OUTCOME_UNKNOWN)
        if earlier and collects and (result := await self._collected(earlier, on_progress, deadline, keep=bool(key))):
            return self._returned(result, caller)
        # 4. prepare: the wire requests, the key, the budget, and a person's yes to the price
        models = self._fallback if fallback is None else fallback
        if models:
            check_fallback_names(self.pipeline.catalog, models, request.operation)
        confirming_since = anyio.current_time()
        prepared = await self.pipeline.prepare_job(priced, caller, confirm)
        deadline += anyio.current_time() - confirming_since  # the user's time to confirm does not count
        # 5. reserve: write the job and its reservations, unless a duplicate was written first
        job = RunningJob(
            prepared=prepared, identity=identity, recorded=recorded, inline_limit=inline_limit, fallback=models
        )
        if earlier and earlier.state == JobState.OUTCOME_UNKNOWN:
            job.notes, job.unknown_before = [unknown_outcome_warning(earlier)], earlier
        while duplicate := await run_shielded(partial(self._open, job)):
            check_key(identity, duplicate.fingerprint)
            if result := await self._collected(duplicate, on_progress, deadline, keep=bool(key)):
                return self._returned(result, caller)
        # 6. dispatch, store, settle: in the runner; wait for it
        return self._returned(await self._waiter.wait_for_result(job, on_progress, deadline), caller)

    async def replay(
        self, key: str, body: str, *, caller: str = "1", on_progress: Progress = no_progress
    ) -> Result | None:
        """Return the result of the call with that key, if there was one. Its model and sources may be gone by now."""
        identity = CallIdentity(caller=caller, fingerprint=key_hash(body), key=key_hash(key))
        row = await self.pipeline.store.find_duplicate(identity)
        if row is None:
            return None
        check_key(identity, row.fingerprint)
        result = await self._collected(row, on_progress, self._deadline(), keep=True)
        return self._returned(result, caller) if result else None

    async def get_result(self, id: str, *, caller: str = "1", on_progress: Progress = no_progress) -> Result:
        """Return the result of a job, or its handle. Raises not_found, or the error in which the job ended."""
        row = await self.pipeline.store.get_job(id)
        if row is None or row.caller != caller:
            raise ImageError(Reason.NOT_FOUND, f"There is no job {id}.", hint=NO_JOB)
        return self._returned(await self._waiter.wait_for_row(row, on_progress, self._deadline()), caller)

    def cancel(self, id: str, *, caller: str = "1") -> None:
        """Cancel a job unless a caller waits for it: what was not sent yet, and what the vendor can cancel."""
        if (job := self._runner.get(id)) and job.identity.caller == caller and not job.listeners:
            job.prepared.cancel()

    def mark_delivered(self, job: str) -> None:
        """Record that the result was delivered; from now on the same call is a new request."""
        self._deliveries.mark_delivered(job)

    async def recover(self) -> None:
        """Recover the jobs of processes that died, and delete expired inline images."""
        await self._sweeper.sweep()
        await self._deliveries.delete_expired_inline()

    async def _collected(self, earlier: JobRow, on_progress: Progress, deadline: float, *, keep: bool) -> Result | None:
        """Return what an earlier job made; None if its images are gone, or it was cancelled, and a new job may start.

        With `keep` (an idempotency key) the earlier outcome stands, unless nothing was sent.
        """
        try:
            return await self._waiter.wait_for_row(earlier, on_progress, deadline)
        except ImageError as error:
            row = await self.pipeline.store.get_job(earlier.id)
            if row and row.state == JobState.CANCELLED:  # its process ended before anything was sent
                return None
            gone, damaged = (error.facts.get(word) == earlier.id for word in ("gone", "damaged"))
            if not keep and (gone or damaged):
                await self.pipeline.store.mark_delivered(earlier.id)
            if keep or not gone:
                raise
        return None

    def _returned(self, result: Result, caller: str) -> Result:
        if isinstance(result, ImageResult):
            if result.inline:
                self._deliveries.add_inline(result, caller)
            add_context(request_id=result.details.get("request_ids", [result.details.get("request_id")])[0])
        return result

    async def _fingerprint(self, priced: PricedRequest, inline: bool, caller: str) -> str:
        """Return the request's fingerprint, computed in a thread: hashing its images takes a while."""
        return await anyio.to_thread.run_sync(fingerprint, priced, inline, self.pipeline.for_caller(caller).home)

    def _deadline(self) -> float:
        """Return the deadline of a wait that starts now, by anyio's clock."""
        return anyio.current_time() + self._wait

    async def _open(self, job: RunningJob) -> JobRow | None:
        """Write the job with its reservations and start it; return the equal job that another call wrote first."""
        pipeline, priced, caller = self.pipeline, job.prepared.priced, job.identity.caller
        reservations = reservations_for(pipeline.catalog, priced, job.prepared.vendor_calls, caller)
        request = {**encode_request(priced), "home": pipeline.for_caller(caller).home}
        entry = NewJob(id=job.id, identity=job.identity, request=request, max_running=self._max_running)
        while job.recorded:
            opened = await pipeline.store.open_job(entry, reservations, pipeline.budget.caps)
            if isinstance(opened, CapExceeded):
                raise cap_exceeded(pipeline.catalog, priced, opened)
            if opened is None:
                break
            if not await self._deliveries.wait_recorded(opened.id):
                return opened
        self._runner.start(job)
        return None
