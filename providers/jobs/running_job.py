"""A job of this process while it runs, and how it ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, internal_error
from atelier.providers.core.types import ImageResult, Progress
from atelier.providers.jobs.inline_hold import Hand
from atelier.providers.jobs.outcome import error_json, outcome_of
from atelier.providers.jobs.recovery import joined, outcome_of_found
from atelier.providers.pipeline.job_store import JobRow, JobStore, State
from atelier.providers.pipeline.prepared_job import PreparedJob
from atelier.providers.pipeline.vendor_call import VendorCall

log = logging.getLogger("atelier")

LOOKING = "Looking at the request."
COLLECTING = "Collecting what the vendor made before this job's process ended."
AGAIN = 5.0  # seconds until a journal that could not be written is tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHandle:
    """A job that goes on. `latest` is the last word on how far it is."""

    id: str
    provider: str
    model: str
    latest: str
    estimated_usd: Decimal | None = None


def elsewhere(row: JobRow, latest: str) -> JobHandle:
    """The same of a job that another process runs, as far as is known here."""
    provider, _, model = str(row.request.get("model", "")).partition("/")
    return JobHandle(id=row.id, provider=provider, model=model, latest=latest)


@dataclass(slots=True, kw_only=True, eq=False)
class RunningJob:
    """A job that runs.

    `mark` is what calls that ask for the same have in common, `asked` the fingerprint of what they ask. `found` are the
    records of pictures that a job which was taken up has besides those to be collected, `before` the calls of models
    that it has moved on from. `dark` is an earlier job of the same call whose outcome nobody knows. `promised` says
    that somebody was given the id and will come back. `hand` holds the pictures that are in an answer on its way, and
    nowhere else.
    """

    work: PreparedJob
    mark: tuple[str, str]
    asked: str = ""
    in_hand: int = 0
    fallback: Sequence[str] = ()
    before: list[VendorCall] = field(default_factory=list[VendorCall])
    notes: Sequence[str] = ()
    dark: JobRow | None = None
    found: Sequence[Mapping[str, Any]] = ()
    latest: str = LOOKING
    promised: bool = False
    listeners: list[Progress] = field(default_factory=list[Progress])
    hand: Hand | None = None
    done: anyio.Event = field(default_factory=anyio.Event)
    result: ImageResult | None = None
    error: ImageError | None = None

    @property
    def id(self) -> str:
        """The job's id."""
        return self.work.priced.job.id

    @property
    def leaves(self) -> bool:
        """Whether it was called off before anything was sent, so that nobody can join it any more."""
        return self.work.stop.cancel_called and not self.work.was_sent

    @property
    def state(self) -> State:
        """How it ended, by its calls."""
        if self.result or self.found:
            return "done"
        refused = self.error is not None and self.error.reason is Reason.CONTENT_POLICY
        dark = self.error is not None and self.error.outcome_unknown
        spent = self.work.spent_usd
        if dark or self.collectable or spent is None or (spent and not refused):
            return "unknown"  # it may be billed, or is and cannot be had
        return "cancelled" if self.leaves else "failed"

    @property
    def outcome(self) -> dict[str, Any]:
        """What the journal keeps of how it ended."""
        told = error_json(self.error) if self.error else {}
        if self.result and self.found:
            told = joined(self.found, outcome_of(self.result), [account.id for account in self.work.accounts])
        elif self.result:
            told = outcome_of(self.result)
        elif self.found:
            wanted = len(self.found) + self.work.priced.job.request.count
            told = outcome_of_found(self.found, wanted, self.notes)
        return {**told, "collectable": True} if self.collectable else told

    @property
    def collectable(self) -> bool:
        """Whether the vendor may still have some of it."""
        return self.work.collectable

    @property
    def running(self) -> JobHandle:
        """What a caller is told who waited long enough."""
        priced, price = self.work.priced, self.work.priced.estimate
        return JobHandle(
            id=self.id,
            provider=priced.choice.provider.name,
            model=priced.job.model.id,
            latest=self.latest,
            estimated_usd=price.total_usd if price else None,
        )

    def fail(self, error: Exception) -> None:
        """It ends in this error, which tells what is to be said besides."""
        if not isinstance(error, ImageError):
            cause, error = error, internal_error()
            error.__cause__ = cause
        later = f"The same call, or get_image with {self.id}, collects what the vendor finishes within half an hour."
        error.hint = " ".join(filter(None, (error.hint, later if self.collectable else "", *self.notes)))
        self.error = error

    async def written(self, journal: JobStore) -> bool:
        """Write how it ended. False when the journal cannot be written just now."""
        try:
            for account in (*self.before, *self.work.accounts):
                await account.catch_up()
            await journal.finish_job(self.id, self.state, self.outcome)
            if self.dark and self.result:  # whoever gets the result is told of it
                await journal.mark_delivered(self.dark.id)
        except ImageError as error:
            log.error("journal not written", extra={"facts": {"job": self.id, "why": error.message}})
            return False
        except Exception:  # the other jobs of this process go on
            log.exception("journal not written", extra={"facts": {"job": self.id}})
            return False
        return True

    async def written_at_last(self, journal: JobStore, closing: anyio.Event) -> None:
        """The same, again and again until it succeeds, and once more when the desk closes."""
        written = False
        while not written:
            with anyio.move_on_after(AGAIN):
                await closing.wait()
            written = await self.written(journal) or closing.is_set()

    async def on_progress(self, message: str) -> None:
        """Pass a word on to everyone who waits."""
        self.latest = message
        for listener in list(self.listeners):
            await listener(message)

    def takes(self, size: int) -> bool:
        """Whether somebody is there to take so many bytes in hand."""
        return bool(self.listeners) and size <= self.in_hand

    def now(self, work: PreparedJob) -> None:
        """Another model has taken over. What is still to be written of the first is not forgotten."""
        self.before += self.work.accounts
        self.work = work
