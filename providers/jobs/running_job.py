"""A job that this process runs, and how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, internal_error
from atelier.providers.core.results import ImageResult
from atelier.providers.core.tool_results import ToolShape, tool_result
from atelier.providers.core.types import Progress
from atelier.providers.jobs.recovery import found_outcome, merged_outcome
from atelier.providers.jobs.stored_job import encode_error, encode_result, final_state
from atelier.providers.pipeline.job_store import CallIdentity, JobRow, JobStore
from atelier.providers.pipeline.prepare import PreparedJob
from atelier.providers.pipeline.states import JobState
from atelier.providers.pipeline.vendor_call import VendorCall

log = logging.getLogger("atelier")

CHECKING_REQUEST = "Checking the request."
COLLECTING = "Collecting what the vendor made before this job's process ended."
STORE_RETRY_INTERVAL = 5.0  # seconds until a store that could not be written is tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandle:
    """Returned when the wait limit passes: the id of a job that goes on, and its latest progress.

    `elapsed` is seconds since it began, `usual` how long such calls took lately, if that is known.
    """

    id: str
    provider: str
    model: str
    latest: str
    estimated_usd: Decimal | None = None
    elapsed: float = 0.0
    usual: float | None = None

    @property
    def time_line(self) -> str:
        """How long it has run, and how long it may take."""
        usual = f"; such calls took about {self.usual:.0f} s lately" if self.usual else ""
        return f"It has run for {self.elapsed:.0f} s{usual}."

    def as_tool_result(self, shape: ToolShape, call_id: str) -> dict[str, Any]:
        """Return the answer to a tool call of another agent; see `tool_result`."""
        facts = {"job": self.id, "status": "running", "progress": self.latest}
        return tool_result(shape, call_id, {**facts, "provider": self.provider, "model": self.model})


def handle_of_row(row: JobRow, latest: str) -> JobHandle:
    """Return the handle of a job that another process runs."""
    provider, _, model = str(row.request.get("model", "")).partition("/")
    elapsed = (datetime.now(UTC) - row.created_at).total_seconds()
    return JobHandle(id=row.id, provider=provider, model=model, latest=latest, elapsed=max(0.0, elapsed))


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
    def collectable(self) -> bool:
        """Whether the vendor may still return some of its images."""
        return self.prepared.collectable

    @property
    def state(self) -> JobState:
        """The state in which it ended."""
        error, spent = self.error, self.prepared.spent_usd
        return final_state(
            has_images=bool(self.result or self.found),
            outcome_known=not (self.collectable or spent is None or (error is not None and error.outcome_unknown)),
            billed=bool(spent),
            refused=error is not None and error.reason is Reason.CONTENT_POLICY,
            cancelled=self.is_cancelled,
        )

    @property
    def outcome(self) -> dict[str, Any]:
        """Return the outcome to store."""
        outcome = encode_error(self.error) if self.error else {}
        if self.result and self.found:
            calls = [call.id for call in self.prepared.vendor_calls]
            outcome = merged_outcome(self.found, encode_result(self.result), calls)
        elif self.result:
            outcome = encode_result(self.result)
        elif self.found:
            wanted = len(self.found) + self.prepared.priced.job.request.count
            outcome = found_outcome(self.found, wanted, self.notes)
        return {**outcome, "collectable": True} if self.collectable else outcome

    @property
    def handle(self) -> JobHandle:
        """Return what a caller gets when its wait limit has passed."""
        priced, price = self.prepared.priced, self.prepared.priced.estimate
        return JobHandle(
            id=self.id,
            provider=priced.choice.provider.name,
            model=priced.job.model.id,
            latest=self.latest,
            estimated_usd=price.total_usd if price else None,
            elapsed=time.monotonic() - self.began,
        )

    def fail(self, error: Exception) -> None:
        """End in this error, with a hint on what can still be collected."""
        if not isinstance(error, ImageError):
            cause, error = error, internal_error()
            error.__cause__ = cause
        later = f"The same call, or get_image with {self.id}, collects what the vendor finishes within half an hour."
        error.hint = " ".join(filter(None, (error.hint, later if self.collectable else "", *self.notes)))
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

    async def write_end_later(self, store: JobStore, closing: anyio.Event) -> None:
        """Try again until the end is written, and one last time when the service closes."""
        written = False
        while not written:
            with anyio.move_on_after(STORE_RETRY_INTERVAL):
                await closing.wait()
            written = await self.write_end(store) or closing.is_set()

    async def on_progress(self, message: str) -> None:
        """Pass progress on to every caller that waits."""
        self.latest = message
        for listener in list(self.listeners):
            await listener(message)

    def continue_with(self, prepared: PreparedJob) -> None:
        """Continue with other vendor calls; keep the earlier ones, whose states may not be written yet."""
        self.earlier_calls += self.prepared.vendor_calls
        self.prepared = prepared
