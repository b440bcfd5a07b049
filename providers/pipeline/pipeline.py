"""One image request, from the question to the pictures.

    admit      resolve the model, pass the gates, price it                              no I/O
    begin      prepare each call, hold the price against the caps, the key, the payer   before anything is written
    open       the job and its reservations into the journal: see `service`                before anything is sent
    dispatch   wire.send -> read -> what it cost                                        for each call of the job
    settle     every picture to storage as it arrives, then the bill into the journal, then the result

`carry_out` is dispatch and settle, so that work can outlive whoever asked for it. `prepare` is public and makes the
same request that is fired, because there is one way to make it.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.concurrency import no_progress, run_concurrently, run_shielded, run_with_progress
from atelier.providers.core.errors import ImageError, Reason, internal_error
from atelier.providers.core.types import ImageRequest, ImageResult, Progress, ResultImage
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.sources import SourceReader
from atelier.providers.pipeline import admit as admission
from atelier.providers.pipeline import reserve
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.dispatch import FINAL, Dispatcher
from atelier.providers.pipeline.job_store import JobStore, NullJobStore
from atelier.providers.pipeline.prepared_job import PreparedJob
from atelier.providers.pipeline.safe_prompt import refusals_name_it, soften_once
from atelier.providers.pipeline.settle import merged, shortfall, store_images, with_prompts
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.pricing.budget import Budget, Confirm
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.contract import Reply

Made = tuple[Reply, list[ResultImage], list[str]]
"""What a vendor call came to: its reply, its pictures as they are kept, and warnings about those that are not."""

Tenants = Callable[[str], tuple[Storage, SourceReader]]
"""A caller's own storage, and how that caller names pictures."""

QUEUE = 100
"""Calls that may wait for a turn at one vendor; see `FairLimiter` for those that count."""


class Pipeline:
    """The one way from a request to pictures. An async context manager: leaving it closes the connections.

    Without a storage the pictures stay in the caller's hand. `sources` reads what a caller names; with `tenants` each
    caller has pictures of their own. `budget` holds spending down, and the journal remembers. `timeout` is seconds for
    one vendor call, `concurrency` how many calls of this process a vendor sees at once (its own limit unless set),
    `queue` how many more may wait for a turn.
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage | None = None,
        sources: SourceReader | None = None,
        *,
        tenants: Tenants | None = None,
        journal: JobStore | None = None,
        budget: Budget | None = None,
        timeout: float = 300.0,
        concurrency: int | None = None,
        queue: int = QUEUE,
        retry_timeouts: bool = False,
    ) -> None:
        self.catalog = catalog
        self.storage = storage
        self.sources = sources or SourceReader()
        self._tenants = tenants
        self.journal = journal or NullJobStore()
        self.budget = budget or Budget()
        self._vendors = Dispatcher(timeout=timeout, concurrency=concurrency, queue=queue, retry_timeouts=retry_timeouts)

    def for_caller(self, caller: str) -> Self:
        """The same pipeline over the pictures of a caller. All else, turns at the vendors included, is shared."""
        if self._tenants is None:
            return self
        other = copy.copy(self)
        other.storage, other.sources = self._tenants(caller)
        return other

    @property
    def home(self) -> str:
        """Where pictures are kept; see Storage."""
        return self.storage.home if self.storage else ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._vendors.aclose()

    def admit(self, request: ImageRequest) -> PricedRequest:
        """Who does it, if it can be done at all, and for how much. Raises before any I/O."""
        return admission.admit(self.catalog, request)

    def prepare(self, request: ImageRequest) -> httpx.Request:
        """The (first) request that `run` would fire, unfired. It bears no key, and needs none."""
        priced = self.admit(request)
        return priced.choice.provider.prepare(priced.calls[0])

    async def begin(self, priced: PricedRequest, caller: str, confirm: Confirm | None) -> PreparedJob:
        """Everything that can be refused before anything is reserved or sent."""
        requests = [priced.choice.provider.prepare(job) for job in priced.calls]  # a vendor file may refuse as well
        await reserve.check_budget(self.catalog, self.budget, self.journal, priced, caller)
        key = admission.key_of(self.catalog, priced)
        await reserve.confirm_price(self.budget, priced, confirm)
        vendor_calls = reserve.vendor_calls_for(self.catalog, self.journal, priced, self.budget.caps)
        return PreparedJob(priced=priced, vendor_calls=vendor_calls, requests=requests, key=key, caller=caller)

    async def begin_again(self, prepared: PreparedJob, another: PricedRequest, confirm: Confirm) -> PreparedJob:
        """Return the same job by another request, held against the budget and reserved anew."""
        priced = replace(another, job=replace(another.job, id=prepared.priced.job.id))
        begun = await self.begin(priced, prepared.caller, confirm)
        charges = reserve.reservations_for(self.catalog, priced, begun.vendor_calls, prepared.caller)
        if short := await self.journal.reserve(charges, self.budget.caps):
            raise reserve.refused(self.catalog, priced, short)
        return begun

    async def carry_out(
        self,
        prepared: PreparedJob,
        *,
        on_progress: Progress = no_progress,
        now: Callable[[PreparedJob], None] | None = None,
    ) -> ImageResult:
        """Make the pictures and keep them. Raises ImageError when there are none, and then nothing was stored.

        After a free refusal of the prompt `safe_prompt` makes one more attempt; `now` is called with its job.
        """
        try:
            return await self._attempt(prepared, on_progress)
        except ImageError as error:
            softened = await soften_once(self.admit, self.begin_again, prepared, error)
            if softened is None:
                raise
        if now:
            now(softened)
        await on_progress("The vendor refused the prompt; sending it once more in softer words.")
        with refusals_name_it():
            return await self._attempt(softened, on_progress)

    async def _attempt(self, prepared: PreparedJob, on_progress: Progress) -> ImageResult:
        """The calls of the work, what came of them stored, and the result."""
        priced, request = prepared.priced, prepared.priced.job.request
        calls = zip(prepared.vendor_calls, prepared.requests, strict=True)
        made: list[Callable[[], Awaitable[Made]]] = [
            partial(self._call, prepared, vendor_call, sent, on_progress) for vendor_call, sent in calls
        ]
        outcomes = await run_concurrently(made, prepared.stop, FINAL)
        done = [outcome for outcome in outcomes if not isinstance(outcome, ImageError)]
        errors = [outcome for outcome in outcomes if isinstance(outcome, ImageError)]
        if not done:
            raise next((error for error in errors if error.outcome_unknown), errors[0])  # what may be billed, first
        reply = merged([reply for reply, _, _ in done])
        images = [image for _, images, _ in done for image in images]
        storage_warnings = [warning for _, _, warnings in done for warning in warnings]
        late = priced.job.id if prepared.collectable else None
        shortfall_warnings = shortfall(errors, request.count, len(images), late)
        cost_warnings = reserve.cost_variance(priced, prepared.vendor_calls) if len(images) == request.count else []
        if any(vendor_call.possibly_billed_twice for vendor_call in prepared.vendor_calls):
            cost_warnings.append("A call timed out and was sent again; the first may have been billed as well.")
        image_warnings = [
            each.warning for each in (*request.sources, *(image.picture for image in images)) if each.warning
        ]
        return ImageResult(
            id=priced.job.id,
            images=tuple(images),
            provider=priced.choice.provider.name,
            model=priced.job.model.id,
            usage=reply.usage,
            estimated_usd=priced.estimate.total_usd if priced.estimate else None,
            actual_usd=prepared.spent_usd,
            notice=priced.choice.notice,
            warnings=tuple(
                dict.fromkeys(
                    (
                        *shortfall_warnings,
                        *priced.warnings,
                        *cost_warnings,
                        *reply.warnings,
                        *image_warnings,
                        *storage_warnings,
                    )
                )
            ),
            details=reply.details,
        )

    async def run(self, request: ImageRequest, *, on_progress: Progress = no_progress) -> ImageResult:
        """Make the pictures while the caller waits, and remember nothing of it: for a program, without a server."""
        self.check_delivery(request, inline=False)
        return await self.carry_out(await self.begin(self.admit(request), "1", None), on_progress=on_progress)

    def check_delivery(self, request: ImageRequest, inline: bool) -> None:
        """Refuse a resized copy where no image stays stored beside which it could be."""
        if request.deliver and (inline or not self.storage):
            message = "A copy is delivered beside the stored picture, and nothing is stored here."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave out save=false, or the deliver_ options.")

    async def _call(
        self,
        prepared: PreparedJob,
        vendor_call: VendorCall,
        sent: httpx.Request | None,
        on_progress: Progress,
    ) -> Made:
        """Make one vendor call and store its images, if there is a storage."""

        async def settle(reply: Reply) -> Made:
            reply = with_prompts(reply, vendor_call.job.request.prompt)
            if self.storage is None:
                return reply, [ResultImage(picture) for picture in reply.pictures], []
            count = len(reply.pictures)
            words = "Storing the picture." if count == 1 else f"Storing {count} pictures."
            storing = partial(store_images, self.storage, prepared.priced, vendor_call, reply)
            return reply, *await run_with_progress(partial(on_progress, words), storing)

        try:
            provider = prepared.priced.choice.provider
            made = await self._vendors.call(
                provider, vendor_call, sent, prepared.key, prepared.caller, on_progress, settle
            )
        except BaseException as error:
            await run_shielded(partial(vendor_call.failed, error))
            if isinstance(error, Exception) and not isinstance(error, ImageError):
                raise internal_error(billed=vendor_call.spent is None) from error
            raise
        if len(prepared.vendor_calls) > 1:
            ready = sum(
                each.job.request.count for each in prepared.vendor_calls if each.state == "closed" and each.spent != 0
            )
            words = f"{ready} of {prepared.priced.job.request.count} pictures are there."
            await run_shielded(partial(on_progress, words))  # who is called off now has its pictures all the same
        return made
