"""One call of a job to its vendor: its row in the ledger, with a `states.CallState`, and its span.

A failed state write must not lose the image: the failure is logged, and `flush_pending_writes` writes it later.
The attributes of the span are those of the GenAI semantic conventions of OpenTelemetry as of 2026-11, which are still
marked as under development.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import anyio

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import Usage
from atelier.providers.core.tracing import Span, records_prompts, span
from atelier.providers.pipeline.job_store import JobStore
from atelier.providers.pricing.budget import Caps
from atelier.providers.vendors.contract import Job, Reply

log = logging.getLogger("atelier")

Bill = Callable[[Job, Reply], Decimal | None]
"""Returns the cost of a call in USD, by what the vendor returned; None where it is not known."""


class VendorCall:
    """One vendor call. Amounts are USD, None where not known: `estimated` before it was sent, `spent` as billed.

    state                  its progress in this process, see below
    in_flight              the vendor may have the request; False during a connection attempt and a retry's pause
    scope                  the call runs in it; shielded while `in_flight`, because the vendor bills what it has
    possibly_billed_twice  attempts that timed out and were repeated
    resumed                a dead process sent it, so an error while collecting does not prove that nothing was billed
    stored_digests         SHA-256 of its images that are stored
    task                   the vendor's task, once it is known
    collectable            the vendor may return more of its images

    `state` is not CallState, which is the row's: reserved and sent are the same; in billed the vendor has replied and
    the images are being stored, while the row is still sent; in closed the row is settled, released or unknown.
    """

    def __init__(self, id: str, store: JobStore, job: Job, bill: Bill, estimated: Decimal | None, caps: Caps) -> None:
        self.id = id
        self.job = job
        self.estimated = estimated
        self.spent: Decimal | None = Decimal(0)
        self.state: Literal["reserved", "sent", "billed", "closed"] = "reserved"
        self.in_flight = False
        self.scope = anyio.CancelScope()
        self.possibly_billed_twice = 0
        self.resumed = False
        self.collectable = False
        self.stored_digests: Sequence[str] = ()
        self._store = store
        self._caps = caps
        self._bill = bill
        self.task: Mapping[str, Any] | None = None
        self._pending_writes: list[Callable[[], Awaitable[object]]] = []

    def resume(self, stored_digests: Sequence[str]) -> None:
        """Continue a call that a process sent and did not finish."""
        self.state, self.resumed, self.stored_digests = "sent", True, stored_digests
        self.set_in_flight(True)

    def set_in_flight(self, in_flight: bool) -> None:
        """Set whether the vendor may have the request, and shield the call meanwhile."""
        self.scope.shield = self.in_flight = in_flight

    async def mark_sent(self) -> None:
        """Record that the request is about to be sent. Raises storage_failed; the request must then not be sent."""
        if not await self._store.mark_sent(self.id):
            message = "The job's reservation is gone: another process has claimed the job, or its database was moved."
            raise ImageError(Reason.STORAGE_FAILED, f"{message} Nothing was sent.", hint="Make the call again.")
        self.state = "sent"

    async def save_vendor_task(self, task: Mapping[str, Any]) -> None:
        """Store the vendor's task, by which a restart collects the images."""
        self.task = task
        await self._write(partial(self._store.save_vendor_task, self.id, task))

    async def reserve_retry(self) -> None:
        """Reserve the price again before a request that timed out is repeated: the vendor may bill both.

        Raises storage_failed, or budget_exceeded when the budget does not cover both; then it must not be repeated.
        """
        if short := await self._store.reserve_retry(self.id, self._caps):
            message = f"A retry would exceed the budget of this {short.period}."
            raise ImageError(Reason.BUDGET_EXCEEDED, message, hint="Raise the cap, or wait.")
        self.possibly_billed_twice += 1

    def record_reply(self, reply: Reply) -> Reply:
        """Record that the vendor returned images. Returns the reply with its cost."""
        self.spent, self.state = self._bill(self.job, reply), "billed"
        self.collectable = reply.collectable and (self.task is not None or self.resumed)
        return replace(reply, cost_usd=self.spent)

    async def add_asset(self, image: str) -> None:
        """Record that one of its images is stored."""
        await self._write(partial(self._store.add_asset, self.job.id, self.id, image))

    async def settle(self) -> None:
        """Record the bill, once the images are stored."""
        self.state = "closed"
        await self._write(partial(self._store.settle_call, self.id, self.spent))

    async def close_failed(self, error: BaseException) -> None:
        """Settle, release or mark as unknown a call that a refusal, an error or a cancellation ended."""
        if self.state == "closed":
            return
        refusal, resumable = error if isinstance(error, ImageError) else None, self.task is not None or self.resumed
        internal = isinstance(error, Exception) and refusal is None
        self.collectable = resumable and (internal or (refusal is not None and refusal.collectable))
        cost = self.spent if self.state == "billed" else self._cost_of_failure(error)
        free = refusal is not None and not refusal.outcome_unknown and not self.resumed
        cancelled_unsent = refusal is None and not self.in_flight
        if cost is not None:
            self.spent = cost
            if refusal is not None and cost:
                refusal.facts["billed_usd"] = cost
            await self.settle()
        elif self.state == "reserved" or (self.state == "sent" and (free or cancelled_unsent)):
            self.state = "closed"
            self.spent = None if self.possibly_billed_twice else self.spent
            await self._write(partial(self._store.release_call, self.id))
        else:
            self.state, self.spent = "closed", None
            await self._write(partial(self._store.mark_call_unknown, self.id))

    def _cost_of_failure(self, error: BaseException) -> Decimal | None:
        """Return what a failure cost, where the vendor says so, in USD or in tokens."""
        facts = error.facts if isinstance(error, ImageError) else {}
        if isinstance(usage := facts.get("usage"), Usage):
            return self._bill(self.job, Reply(pictures=(), usage=usage))
        cost = facts.get("cost_usd")
        return None if cost is None else Decimal(cost)

    async def flush_pending_writes(self) -> None:
        """Write what could not be written when it happened. Raises storage_failed when it still cannot be."""
        while self._pending_writes:
            await self._pending_writes[0]()
            self._pending_writes.pop(0)

    async def _write(self, write: Callable[[], Awaitable[object]]) -> None:
        try:
            await write()
        except ImageError as error:
            self._pending_writes.append(write)
            log.error("job store not written", extra={"facts": {"vendor_call": self.id, "why": error.message}})


OPERATION = "generate_content"

KNOWN_PROVIDERS = {"gemini": "gcp.gemini", "xai": "x_ai"}
"""Our vendor -> the conventions' name for it, where they differ."""


def model_span(vendor: str, job: Job) -> AbstractContextManager[Span]:
    """Record a vendor call within the block, with its retries, polls and downloads."""
    request, model = job.request, job.model.id
    attributes = {
        "gen_ai.operation.name": OPERATION,
        "gen_ai.provider.name": KNOWN_PROVIDERS.get(vendor, vendor),
        "gen_ai.request.model": model,
        "gen_ai.request.seed": request.seed,
        "gen_ai.request.choice.count": request.count if request.count > 1 else None,
        "gen_ai.output.type": "image",
        "gen_ai.input.messages": _messages(request.prompt) if records_prompts() else None,
        "atelier.operation": request.operation.value,
        "atelier.job.id": job.id,
    }
    return span(f"{OPERATION} {model}", attributes, kind="client")


def describe_reply(vendor_span: Span, reply: Reply) -> None:
    """Add what the vendor answered."""
    request_id = reply.details.get("request_id")
    vendor_span.set(
        {
            "gen_ai.response.id": None if request_id is None else str(request_id),
            "gen_ai.usage.input_tokens": reply.usage.input_tokens if reply.usage else None,
            "gen_ai.usage.output_tokens": reply.usage.output_tokens if reply.usage else None,
            "atelier.images": len(reply.pictures),
        }
    )


def _messages(prompt: str) -> str:
    """Return the prompt in the conventions' form of a conversation, as JSON."""
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": prompt}]}], ensure_ascii=False)
