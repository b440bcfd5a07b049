"""The store of jobs: their vendor calls, images and money, which must outlive the process.

A job is written before anything is sent, a vendor's task as soon as it is known, each image once it is stored, and the
delivery once the answer was written. So after a crash the store shows what may be billed and what can be collected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from atelier.providers.pipeline.states import JobState
from atelier.providers.pricing.budget import CapExceeded, Caps, Ledger, Reservation, require_no_period_caps


@dataclass(frozen=True, slots=True, kw_only=True)
class CallIdentity:
    """By which equal calls of a caller are known: the idempotency key (its hash), or else the request's fingerprint."""

    caller: str
    fingerprint: str
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job as it is written before anything is sent.

    request      the data for recovery: the fields of the ImageRequest except its sources, and `home` (see Storage)
    max_running  how many jobs of the caller may run at once, this one included
    """

    id: str
    identity: CallIdentity
    request: Mapping[str, Any]
    max_running: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job in the store. `owner` is the process that runs it, `home` where its images are stored (see Storage).

    `outcome` is the result or the error of a job that has ended, as JSON; with `collectable` if the vendor may still
    return images.
    """

    id: str
    caller: str
    fingerprint: str
    request: Mapping[str, Any]
    state: JobState
    outcome: Mapping[str, Any]
    owner: str
    created_at: datetime
    delivered: bool
    reserved_usd: Decimal
    home: str = ""

    @property
    def count(self) -> int:
        """How many images were requested; 1 if the row is damaged."""
        count = self.request.get("count")
        return count if isinstance(count, int) else 1

    @property
    def collectable(self) -> bool:
        """Whether it ended without images that the vendor may still return."""
        return self.state == JobState.OUTCOME_UNKNOWN and bool(self.outcome.get("collectable"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One vendor call of a job: its ledger state, the vendor's task, the ids of its stored images.

    `pictures` is how many images were requested; `model` is `vendor/model`, which a fallback changes.
    """

    id: str
    model: str
    state: str
    pictures: int
    task: Mapping[str, Any] | None
    images: tuple[str, ...]


class JobStore(Ledger):
    """Every method is one transaction, and raises storage_failed when the store cannot be used.

    This class stores nothing, for programs that use the library without a server; the database overrides all of it.
    """

    async def open_job(
        self, entry: NewJob, reservations: Sequence[Reservation], caps: Caps
    ) -> CapExceeded | JobRow | None:
        """Write a job and its reservations. Returns None when they are written.

        Returns the JobRow of an equal call that can be joined or collected, or a CapExceeded.
        Raises rate_limited if too many jobs of the caller run, and budget_exceeded for a cap that cannot be held.
        """
        require_no_period_caps(caps)
        return None

    async def find_duplicate(self, identity: CallIdentity) -> JobRow | None:
        """Return the newest equal job that runs or is not delivered, with a result or an unknown outcome.

        With an idempotency key: that runs, or ended within a day with a result or an unknown outcome.
        """
        return None

    async def get_job(self, id: str) -> JobRow | None:
        """Return the job of that id."""
        return None

    async def save_vendor_task(self, vendor_call_id: str, task: Mapping[str, Any]) -> None:
        """Store the vendor's task, by which a recovery collects the images."""

    async def add_asset(self, job: str, vendor_call_id: str, image: str) -> None:
        """Record that an image of the call is stored."""

    async def wait_for_end(self, id: str, seconds: float) -> None:
        """Wait until the job of another process may have ended, for at most `seconds`."""

    async def finish_job(self, id: str, state: JobState, outcome: Mapping[str, Any]) -> bool:
        """End a job. If it has more images than when it was delivered, it becomes undelivered.

        False if it does not run, or another process has claimed it.
        """
        return True

    async def mark_delivered(self, id: str) -> bool:
        """Record that the answer with its result was written, or that a caller was warned of its unknown outcome.

        False if there is no such job, or it was delivered before.
        """
        return True

    async def claim_orphaned_jobs(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """Claim the running jobs whose process died, and for half an hour the collectable ones that ended.

        Only those whose caller and home are `ours`; after a day any. They run from now on, owned by this process.
        """
        return []

    async def list_expired_inline(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """Return the jobs whose inline images are older than an hour, of callers and homes that are `ours`."""
        return []

    async def forget_inline(self, id: str) -> None:
        """Record that the inline images of the job are deleted."""

    async def list_calls(self, id: str) -> list[CallRow]:
        """Return the vendor calls of a job, in their order."""
        return []

    async def usual_seconds(self, caller: str, model: str) -> float | None:
        """Return how long the caller's latest calls of `vendor/model` took, by their median; None without any."""
        return None

    async def aclose(self) -> None:
        """Close the store. Jobs of this process that still run are orphaned."""
