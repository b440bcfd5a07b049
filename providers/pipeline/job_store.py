"""What must outlive the process, as the pipeline needs it: jobs, their vendor calls, their pictures, their money.

A job is written before anything is sent; a vendor's own task id the moment it is known; each picture as it lands;
delivered only when the answer has left. So whoever reads the journal after a crash knows what may have been billed,
what can still be collected, and what nobody will ever know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from atelier.providers.pipeline.states import JobState
from atelier.providers.pricing.budget import Caps, Ledger, NoLedger, Reservation, Shortage

KEYED = "key:"
"""How the fingerprint of a call begins that its caller gave a key of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job as it is written before anything is sent.

    `fingerprint` is equal for calls that ask for the same thing. `request` is what a restart goes on from: the fields
    of the ImageRequest but for the pictures, which are never sent again, and the `home` of those that are to be made.
    `most` is how many jobs of the caller may run at once, this one included.
    """

    id: str
    caller: str
    fingerprint: str
    request: Mapping[str, Any]
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as it stands. `outcome` is its result or its error in JSON, once it has ended; `created` is UTC.

    Whether a vendor may still have some of it is told there as well, as `collectable`.
    """

    id: str
    caller: str
    request: Mapping[str, Any]
    state: JobState
    outcome: Mapping[str, Any]
    delivered: bool
    created: str
    reserved_usd: Decimal

    @property
    def home(self) -> str:
        """Where its pictures are kept; see Storage."""
        return str(self.request.get("home", ""))

    @property
    def count(self) -> int:
        """How many pictures were asked for; a damaged row may not tell."""
        told = self.request.get("count")
        return told if isinstance(told, int) else 1

    @property
    def collectable(self) -> bool:
        """Whether it ended without its pictures, and its vendor may still have them."""
        return self.state == JobState.OUTCOME_UNKNOWN and bool(self.outcome.get("collectable"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One vendor call of a job: where its money stands, the vendor's task if it has one, the pictures that landed.

    `model` is the one that was asked, as vendor/model: not that of the request where the job had moved on.
    """

    id: str
    model: str
    state: str
    pictures: int
    task: Mapping[str, Any] | None
    images: tuple[str, ...]


class JobStore(Ledger, Protocol):
    """Every method is one transaction and raises storage_failed when the journal cannot be used."""

    async def open_job(self, entry: NewJob, charges: Sequence[Reservation], caps: Caps) -> Shortage | JobRow | None:
        """Write a job and reserve its charges. The JobRow of the same call that can be joined or collected instead,
        or a Shortage when a cap would be broken; then nothing is written. Raises rate_limited when too many run."""
        ...

    async def find_duplicate(self, caller: str, fingerprint: str) -> JobRow | None:
        """The newest job of that call that runs, was not delivered, or ended in the dark and was not told of yet.

        Of a call with a key: that runs, or ended within a day with a result or in the dark, told of or not.
        """
        ...

    async def get_job(self, id: str) -> JobRow | None:
        """The job of that id."""
        ...

    async def save_vendor_task(self, charge: str, task: Mapping[str, Any]) -> None:
        """The vendor's own name for the work, by which a restart can collect it."""
        ...

    async def add_asset(self, job: str, charge: str, image: str) -> None:
        """A picture of the call is stored."""
        ...

    async def finish_job(self, job: str, state: JobState, outcome: Mapping[str, Any]) -> None:
        """The job has ended. One that has more pictures than when it was delivered is to be delivered again."""
        ...

    async def mark_delivered(self, job: str) -> None:
        """Its answer has left, or its dark end was told of."""
        ...

    async def claim_orphaned_jobs(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """The running jobs whose process is dead, and for half an hour those of which the vendor may still have some.

        Only those whose caller and home are `ours`, and after a day those that nobody wanted. From now on they run, and
        are this process's.
        """
        ...

    async def list_expired_inline(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """The jobs whose inline images are older than an hour, of callers and homes that are `ours`."""
        ...

    async def forget_inline(self, job: str) -> None:
        """The inline images of the job are deleted."""
        ...

    async def list_calls(self, job: str) -> list[CallRow]:
        """The vendor calls of a job, in their order."""
        ...

    async def aclose(self) -> None:
        """Close it; what this process still runs is an orphan from now on."""
        ...


class NullJobStore(NoLedger):
    """Remembers nothing, for a program that uses the library without a server."""

    async def open_job(self, entry: NewJob, charges: Sequence[Reservation], caps: Caps) -> Shortage | JobRow | None:
        """Never short, never the same."""
        return None

    async def find_duplicate(self, caller: str, fingerprint: str) -> JobRow | None:
        """None."""
        return None

    async def get_job(self, id: str) -> JobRow | None:
        """None."""
        return None

    async def save_vendor_task(self, charge: str, task: Mapping[str, Any]) -> None:
        """Not written."""

    async def add_asset(self, job: str, charge: str, image: str) -> None:
        """Not written."""

    async def finish_job(self, job: str, state: JobState, outcome: Mapping[str, Any]) -> None:
        """Not written."""

    async def mark_delivered(self, job: str) -> None:
        """Not written."""

    async def claim_orphaned_jobs(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """None."""
        return []

    async def list_expired_inline(self, ours: Callable[[str, str], bool]) -> list[JobRow]:
        """None."""
        return []

    async def forget_inline(self, job: str) -> None:
        """Not written."""

    async def list_calls(self, job: str) -> list[CallRow]:
        """None."""
        return []

    async def aclose(self) -> None:
        """Nothing is open."""
