"""Run the jobs of this process in a task group until they end, whether or not a caller still waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.results import ImageResult
from atelier.providers.core.tracing import span, start_context
from atelier.providers.jobs.running_job import RunningJob
from atelier.providers.pipeline.fallback import run_with_fallback
from atelier.providers.pipeline.job_store import CallIdentity
from atelier.providers.pipeline.pipeline import Pipeline


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
        pipeline = self._pipeline.for_caller(job.identity.caller)
        try:
            if job.fallback:
                result = await run_with_fallback(
                    pipeline, job.prepared, job.fallback, job.on_progress, job.continue_with
                )
            else:
                result = await pipeline.execute(
                    job.prepared, on_progress=job.on_progress, on_replaced=job.continue_with
                )
            job.result = self._finished(job, result)
        except Exception as error:  # noqa: BLE001 - the callers that wait get it
            job.fail(error)
        written = await job.write_end(self._pipeline.store)
        if self._by_identity.get(_match(job.identity)) is job:
            del self._by_identity[_match(job.identity)]
        if written:
            self._forget(job)
        job.done.set()
        if not written:
            await job.write_end_later(self._pipeline.store, self._closing)
            self._forget(job)

    @staticmethod
    def _finished(job: RunningJob, result: ImageResult) -> ImageResult:
        """Add the job's own warnings, and decide whether its images are returned inline."""
        warnings = (*job.notes, *result.warnings)
        if not job.inline_limit:
            return replace(result, warnings=warnings)
        if sum(len(image.picture.image_bytes) for image in result.images) <= job.inline_limit:
            return replace(result, warnings=warnings, inline=True)
        return replace(result, warnings=("Stored all the same: it is too large to return inline.", *warnings))

    def _forget(self, job: RunningJob) -> None:
        if self._jobs.get(job.id) is job:  # a sweep may have started the same job again meanwhile
            del self._jobs[job.id]


def _match(identity: CallIdentity) -> tuple[str, str, bool]:
    """Return what is equal for equal calls."""
    return identity.caller, identity.key or identity.fingerprint, identity.key is not None
