"""The jobs of this process: they run in a task group until they end, whether or not a caller still waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.errors import ImageError, Reason, internal_error
from atelier.providers.core.results import ImageResult
from atelier.providers.core.tracing import span, start_context
from atelier.providers.core.types import Progress
from atelier.providers.jobs.recovery import found_outcome, merged_outcome
from atelier.providers.jobs.stored_job import encode_error, encode_result, final_state
from atelier.providers.pipeline.fallback import run_with_fallback
from atelier.providers.pipeline.job_store import CallIdentity, JobRow, JobStore
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.prepare import PreparedJob
from atelier.providers.pipeline.states import JobState
from atelier.providers.pipeline.vendor_call import VendorCall

log = logging.getLogger("atelier")

CHECKING_REQUEST = "Checking the request."
COLLECTING = "Collecting what the vendor made before this job's process ended."
STORE_RETRY_INTERVAL = 5.0  # seconds until a store that could not be written is tried again


@dataclass(slots=True, kw_only=True, eq=False)
class RunningJob:
    """A job that runs. `done` is set once it has ended and, if the store could be written, its end is written."""

    prepared: PreparedJob
    """Its vendor calls. Fallback and `safe_prompt` put another in its place."""
    identity: CallIdentity
    """Equal calls join one job."""
    recorded: bool = True
    """Whether it is in the job store. A free job without an idempotency key is not."""
    inline_limit: int = 0
    """The bytes of images that the caller takes in the answer instead of having them stored; 0 stores them."""
    fallback: Sequence[str] = ()
    """The fallback models, in order."""
    earlier_calls: list[VendorCall] = field(default_factory=list[VendorCall])
    """The vendor calls of attempts that were replaced."""
    notes: Sequence[str] = ()
    """Warnings for the answer."""
    unknown_before: JobRow | None = None
    """An earlier job of the same call whose outcome is unknown; this job's result warns about it."""
    found: Sequence[Mapping[str, Any]] = ()
    """Of a recovered job: the records of the images that were stored before."""
    latest: str = CHECKING_REQUEST
    """The latest progress."""
    began: float = field(default_factory=time.monotonic)
    keeps_running: bool = False
    """A caller has the job's id and can collect it later, so the job goes on when no caller waits."""
    listeners: list[Progress] = field(default_factory=list[Progress])
    """The progress callbacks of the callers that wait."""
    done: anyio.Event = field(default_factory=anyio.Event)
    result: ImageResult | None = None
    error: ImageError | None = None

    @property
    def id(self) -> str:
        """The job's id."""
        return self.prepared.priced.job.id

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled before anything was sent, so that no call can join it any more."""
        return self.prepared.stop.cancel_called and not self.prepared.in_flight

    @property
    def state(self) -> JobState:
        """The state in which it ended."""
        error, spent = self.error, self.prepared.spent_usd
        return final_state(
            has_images=bool(self.result or self.found),
            outcome_known=not (
                self.prepared.collectable or spent is None or (error is not None and error.outcome_unknown)
            ),
            billed=bool(spent),
            refused=error is not None and error.reason is Reason.CONTENT_POLICY,
            cancelled=self.is_cancelled,
        )

    @property
    def outcome(self) -> dict[str, Any]:
        """Return the outcome to store."""
        outcome = encode_error(self.error) if self.error else {}
        if self.result:
            outcome = encode_result(self.result)
            if self.found:
                outcome = merged_outcome(self.found, outcome, [call.id for call in self.prepared.vendor_calls])
        elif self.found:
            wanted = len(self.found) + self.prepared.priced.job.request.count
            outcome = found_outcome(self.found, wanted, self.notes)
        return {**outcome, "collectable": True} if self.prepared.collectable else outcome

    def fail(self, error: Exception) -> None:
        """End in this error, with a hint on what can still be collected."""
        if not isinstance(error, ImageError):
            cause, error = error, internal_error()
            error.__cause__ = cause
        later = f"The same call, or get_image with {self.id}, collects what the vendor finishes within half an hour."
        error.hint = " ".join(filter(None, (error.hint, later if self.prepared.collectable else "", *self.notes)))
        self.error = error

    async def write_end(self, store: JobStore) -> bool:
        """Write how the job ended, if it is recorded. Return False when the store cannot be written now."""
        if not self.recorded:
            return True
        try:
            for call in (*self.earlier_calls, *self.prepared.vendor_calls):
                await call.flush_pending_writes()
            await store.finish_job(self.id, self.state, self.outcome)
            if self.unknown_before and self.result:  # the result warns about it
                await store.mark_delivered(self.unknown_before.id)
        except ImageError as error:
            log.error("job store not written", extra={"facts": {"job": self.id, "why": error.message}})
            return False
        except Exception:  # the other jobs of this process go on
            log.exception("job store not written", extra={"facts": {"job": self.id}})
            return False
        return True

    async def on_progress(self, message: str) -> None:
        """Pass progress on to every caller that waits."""
        self.latest = message
        for listener in list(self.listeners):
            await listener(message)

    def continue_with(self, prepared: PreparedJob) -> None:
        """Continue with other vendor calls; keep the earlier ones, whose states may not be written yet."""
        self.earlier_calls += self.prepared.vendor_calls
        self.prepared = prepared


class JobRunner:
    """The running jobs over one pipeline, by id and by the identity of the call that began them."""

    def __init__(self, pipeline: Pipeline, tasks: TaskGroup) -> None:
        self._pipeline = pipeline
        self._tasks = tasks
        self._jobs: dict[str, RunningJob] = {}
        self._by_identity: dict[tuple[str, str, bool], RunningJob] = {}
        self._stopped = False
        self._closing = anyio.Event()

    @property
    def active_jobs(self) -> Sequence[str]:
        """The ids of the jobs that have not ended."""
        return [id for id, job in self._jobs.items() if not job.done.is_set()]

    def get(self, id: str) -> RunningJob | None:
        """Return the job of that id, until its end is written."""
        return self._jobs.get(id)

    def find_duplicate(self, identity: CallIdentity) -> RunningJob | None:
        """Return the running job of the same call."""
        return self._by_identity.get(_match(identity))

    def start(self, job: RunningJob) -> None:
        """Run a job until it ends. After `stop_unsent` it sends nothing."""
        if self._stopped:
            job.prepared.stop.cancel()
        self._jobs[job.id] = self._by_identity[_match(job.identity)] = job
        self._tasks.start_soon(self._run, job)

    def stop_unsent(self) -> None:
        """Cancel the vendor calls of every job that were not sent yet, now and from now on."""
        self._stopped = True
        for job in self._jobs.values():
            job.prepared.stop.cancel()

    def close(self) -> None:
        """Stop what was not sent, and try once more to write what could not be written."""
        self.stop_unsent()
        self._closing.set()

    async def _run(self, job: RunningJob) -> None:
        """Run the job in a span, a child of the span of the call that began it."""
        start_context(caller=job.identity.caller, job=job.id)
        with span("job", {"atelier.job.id": job.id, "atelier.caller": job.identity.caller}) as job_span:
            await self._execute(job)
            spent = job.prepared.spent_usd
            cost = None if spent is None else float(spent)
            job_span.set({"atelier.job.state": job.state.value, "atelier.cost_usd": cost})
            if job.error:
                job_span.fail(job.error)

    async def _execute(self, job: RunningJob) -> None:
        """Dispatch the job, write how it ended, then wake its callers."""
        pipeline, prepared = self._pipeline.for_caller(job.identity.caller), job.prepared
        try:
            if job.fallback:
                result = await run_with_fallback(pipeline, prepared, job.fallback, job.on_progress, job.continue_with)
            else:
                result = await pipeline.execute(prepared, on_progress=job.on_progress, on_replaced=job.continue_with)
            job.result = self._finished(job, result)
        except Exception as error:  # noqa: BLE001 - the callers that wait get it
            job.fail(error)
        written = await job.write_end(self._pipeline.store)
        if self.find_duplicate(job.identity) is job:
            del self._by_identity[_match(job.identity)]
        if not written:
            job.done.set()
            await self._write_end_later(job)
        if self._jobs.get(job.id) is job:  # a sweep may have started the same job again meanwhile
            del self._jobs[job.id]
        job.done.set()

    async def _write_end_later(self, job: RunningJob) -> None:
        """Try again until the end is written, and one last time when the service closes."""
        written = False
        while not written:
            with anyio.move_on_after(STORE_RETRY_INTERVAL):
                await self._closing.wait()
            written = await job.write_end(self._pipeline.store) or self._closing.is_set()

    @staticmethod
    def _finished(job: RunningJob, result: ImageResult) -> ImageResult:
        """Add the job's own warnings, and decide whether its images are returned inline."""
        warnings = (*job.notes, *result.warnings)
        if not job.inline_limit:
            return replace(result, warnings=warnings)
        if sum(len(image.picture.image_bytes) for image in result.images) <= job.inline_limit:
            return replace(result, warnings=warnings, inline=True)
        return replace(result, warnings=("Stored all the same: it is too large to return inline.", *warnings))


def _match(identity: CallIdentity) -> tuple[str, str, bool]:
    """Return what is equal for equal calls."""
    return identity.caller, identity.key or identity.fingerprint, identity.key is not None
