"""One image request, from the request to its stored images.

    admit        resolve the model, pass the gates, price it                        no I/O
    prepare_job  build the wire requests, check budget and key, confirm the price   nothing is written
    (open)       `ImageService` writes the job and its reservations                 nothing is sent
    execute      for each vendor call: send, read the reply, store its images, settle its bill

`prepare` returns the request that would be sent, for callers who only want to see it.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.concurrency import no_progress, report, run_concurrently, run_on_processor, run_shielded
from atelier.providers.core.errors import ImageError, Reason, internal_error
from atelier.providers.core.results import ImageResult, ResultImage
from atelier.providers.core.types import ImageRequest, Progress
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.sources import SourceReader
from atelier.providers.pipeline import prepare as preparation
from atelier.providers.pipeline.admit import PricedRequest, check_and_price, vendor_api_key
from atelier.providers.pipeline.dispatch import FATAL_REASONS, Dispatcher, Slots
from atelier.providers.pipeline.fallback import SECOND_ATTEMPT_HINT, prepare_softened
from atelier.providers.pipeline.job_store import JobStore
from atelier.providers.pipeline.prepare import PreparedJob
from atelier.providers.pipeline.result import CallResult, merged_result, new_assets, store_images, with_prompts
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.pricing.budget import Budget, Confirm, require_no_period_caps
from atelier.providers.pricing.estimate import vendor_estimate
from atelier.providers.pricing.price_parts import total
from atelier.providers.transport.network.http_client import OwnTransport
from atelier.providers.transport.wire import httpx

Tenants = Callable[[str], tuple[Storage, SourceReader]]
"""Returns a caller's own storage, and the reader of its source images."""

QUEUE_LIMIT = 100
"""Calls that may wait for a slot at one vendor; see `FairLimiter` for those that count."""


class Pipeline:
    """Turns requests into stored images. An async context manager: leaving it closes the connections.

    storage         where images are stored; without one the result holds them
    sources         reads source images
    tenants         returns a caller's own storage and sources, where callers are separated
    store           jobs and money
    budget          caps on spending
    timeout         seconds for one vendor call
    concurrency     calls of this process to one vendor at once; None is the vendor's own limit
    queue           calls that may wait for a slot at one vendor
    slots           hold a vendor's slot in all replicas
    transport       sends requests to vendors in place of our sockets
    retry_timeouts  repeat a call that timed out or was cut off, although the vendor may bill both
    """

    def __init__(
        self,
        catalog: Catalog,
        storage: Storage | None = None,
        sources: SourceReader | None = None,
        *,
        tenants: Tenants | None = None,
        store: JobStore | None = None,
        budget: Budget | None = None,
        timeout: float = 300.0,
        concurrency: int | None = None,
        queue: int = QUEUE_LIMIT,
        retry_timeouts: bool = False,
        slots: Slots | None = None,
        transport: OwnTransport | None = None,
    ) -> None:
        self.catalog = catalog
        self.storage = storage
        self.sources = sources or SourceReader()
        self._tenants = tenants
        self.store = store or JobStore()
        self.budget = budget or Budget()
        self.dispatcher = Dispatcher(
            timeout=timeout,
            concurrency=concurrency,
            queue=queue,
            retry_timeouts=retry_timeouts,
            slots=slots,
            transport=transport,
        )

    def for_caller(self, caller: str) -> Self:
        """Return the pipeline over a caller's images. All else is shared, limits at vendors included."""
        if self._tenants is None:
            return self
        other = copy.copy(self)
        other.storage, other.sources = self._tenants(caller)
        return other

    @property
    def waiting(self) -> dict[str, int]:
        """How many calls wait for a slot, by the vendor's name."""
        return self.dispatcher.waiting

    @property
    def home(self) -> str:
        """Where images are stored; see `Storage.home`."""
        return self.storage.home if self.storage else ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.dispatcher.aclose()

    def admit(self, request: ImageRequest) -> PricedRequest:
        """Resolve the model, check every limit and price the request. Raises ImageError before any I/O."""
        return check_and_price(self.catalog, request, suggest=True)

    def prepare(self, request: ImageRequest) -> httpx.Request:
        """Return the first request that `run` would send. It has no key, and needs none."""
        priced = self.admit(request)
        return priced.choice.provider.prepare(priced.calls[0])

    async def with_quote(self, priced: PricedRequest) -> PricedRequest:
        """Return the request with the price that the vendor states, where the table has none and asking is free.

        Without a key, and where the vendor does not answer, the price stays unknown.
        """
        provider = priced.choice.provider
        if priced.estimate or not provider.quote or not (key := priced.choice.endpoint.key(self.catalog.lookup)):
            return priced
        try:
            price = total([await self.dispatcher.quote(provider, job, key) for job in priced.calls])
        except ImageError:
            return priced
        if price is None:
            return priced
        day = self.catalog.today().isoformat()
        return replace(priced, estimate=vendor_estimate(price, priced.job.request.count, provider.title, day))

    async def prepare_job(self, priced: PricedRequest, caller: str, confirm: Confirm | None) -> PreparedJob:
        """Build the wire requests and check budget, key and consent. Raises ImageError before anything is written."""
        requests = [priced.choice.provider.prepare(job) for job in priced.calls]
        if priced.estimate is None:
            priced = await self.with_quote(priced)
        await preparation.check_budget(self.catalog, self.budget, self.store, priced, caller)
        key = vendor_api_key(self.catalog, priced)
        await preparation.confirm_price(self.budget, priced, confirm)
        vendor_calls = preparation.vendor_calls_for(self.catalog, self.store, priced, self.budget.caps)
        return PreparedJob(priced=priced, vendor_calls=vendor_calls, requests=requests, key=key, caller=caller)

    async def prepare_replacement(self, prepared: PreparedJob, other: PricedRequest, confirm: Confirm) -> PreparedJob:
        """Return the same job with another request, after its reservations are written."""
        priced = replace(other, job=replace(other.job, id=prepared.priced.job.id))
        replacement = await self.prepare_job(priced, prepared.caller, confirm)
        reservations = preparation.reservations_for(
            self.catalog, replacement.priced, replacement.vendor_calls, prepared.caller
        )
        if short := await self.store.reserve(reservations, self.budget.caps):
            raise preparation.cap_exceeded(self.catalog, priced, short)
        return replacement

    async def execute(
        self,
        prepared: PreparedJob,
        *,
        on_progress: Progress = no_progress,
        on_replaced: Callable[[PreparedJob], None] | None = None,
    ) -> ImageResult:
        """Make the job's vendor calls and return its result. Raises ImageError when no call made an image.

        After a free refusal of the prompt, `safe_prompt` makes a second attempt; `on_replaced` is called with its job.
        """
        attempt = prepared
        while True:
            calls: list[Callable[[], Awaitable[CallResult]]] = [
                partial(self._call, attempt, vendor_call, request, on_progress)
                for vendor_call, request in zip(attempt.vendor_calls, attempt.requests, strict=True)
            ]
            outcomes = await run_concurrently(calls, attempt.stop, FATAL_REASONS)
            try:
                return merged_result(attempt, outcomes)
            except ImageError as error:
                if attempt is not prepared:
                    error.hint = f"{error.hint} {SECOND_ATTEMPT_HINT}".strip()
                    raise
                softened = await prepare_softened(self.admit, self.prepare_replacement, prepared, error)
                if softened is None:
                    raise
            attempt = softened
            if on_replaced:
                on_replaced(attempt)
            await on_progress("The vendor refused the prompt; sending a softened version.")

    async def run(self, request: ImageRequest, *, on_progress: Progress = no_progress) -> ImageResult:
        """Make the images and return them, without a job: for programs that use the library alone."""
        self.check_delivery(request, inline=False)
        priced = self.admit(request)
        if not priced.is_free:
            require_no_period_caps(self.budget.caps)
        return await self.execute(await self.prepare_job(priced, "1", None), on_progress=on_progress)

    def check_delivery(self, request: ImageRequest, inline: bool) -> None:
        """Raise invalid_request for a resized copy where the original is not stored."""
        if request.deliver and (inline or not self.storage):
            message = "deliver_size needs a stored image, and this call stores none."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave out save=false, or the deliver_ options.")

    async def _call(
        self,
        prepared: PreparedJob,
        vendor_call: VendorCall,
        request: httpx.Request | None,
        on_progress: Progress,
    ) -> CallResult:
        """Make one vendor call, store its images, then settle its bill.

        A cancellation before the request reaches the vendor stops the call. After that the call is finished, because
        the vendor bills it.
        """
        try:
            with vendor_call.scope:
                reply = await self.dispatcher.dispatch(prepared, vendor_call, request, on_progress)
                reply = with_prompts(reply, vendor_call.job.request.prompt)
                if self.storage is None:
                    images = [ResultImage(picture) for picture in reply.pictures]
                    result = CallResult(replace(reply, pictures=()), images, [])
                else:
                    count = len(reply.pictures)
                    await report(on_progress, "Storing the image." if count == 1 else f"Storing {count} images.")
                    new = await run_on_processor(new_assets, prepared, vendor_call, reply)
                    reply = replace(reply, pictures=())  # `new` has them with their facts, and each may be large
                    result = await store_images(self.storage, prepared, vendor_call, reply, new)
                await vendor_call.settle()
                if len(prepared.vendor_calls) > 1:
                    await report(on_progress, prepared.progress)
                return result
        except BaseException as error:
            await run_shielded(partial(vendor_call.close_failed, error))
            if isinstance(error, Exception) and not isinstance(error, ImageError):
                raise internal_error(billed=vendor_call.spent is None) from error
            raise
        raise AssertionError("the scope of a vendor call is never cancelled itself")
