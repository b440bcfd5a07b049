"""Send one vendor call: wait for a slot at the vendor, send, read the reply."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.concurrency import no_progress, run_beside, run_shielded
from atelier.providers.core.environment import hint_with_variables
from atelier.providers.core.errors import ImageError, Reason, error_facts, redacting
from atelier.providers.core.gates.option_gates import private_texts
from atelier.providers.core.types import Endpoint, Progress
from atelier.providers.pipeline.prepare import PreparedJob
from atelier.providers.pipeline.vendor_call import VendorCall, describe_reply, model_span
from atelier.providers.transport.network.address_policy import AddressPolicy
from atelier.providers.transport.network.http_client import OwnTransport, httpx, vendor_client
from atelier.providers.transport.resilience import Breaker, FairLimiter
from atelier.providers.transport.response import quoting
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors.contract import Job, Provider, Reply

log = logging.getLogger("atelier")

Slots = Callable[[str, int], AbstractAsyncContextManager[None]]
"""Holds one of a vendor's slots, whose number all replicas share."""

QUOTE_TIMEOUT = 10.0  # seconds for a price that the vendor states

FATAL_REASONS = (Reason.AUTHENTICATION, Reason.QUOTA_EXCEEDED)
"""Errors that every other call with the same key would meet as well."""


class Dispatcher:
    """The HTTP client, limiter and breaker of each vendor. `timeout` is seconds for one call; see `Pipeline`."""

    def __init__(
        self,
        *,
        timeout: float,
        concurrency: int | None,
        queue: int,
        retry_timeouts: bool,
        slots: Slots | None,
        transport: OwnTransport | None,
    ) -> None:
        self._timeout = timeout
        self._concurrency = concurrency
        self._queue = queue
        self._retry_timeouts = retry_timeouts
        self._slots = slots
        self._transport = transport
        self._clients: dict[tuple[str, float], httpx.AsyncClient] = {}
        self._limiters: dict[str, FairLimiter] = {}
        self._breakers: dict[str, Breaker] = {}

    async def dispatch(
        self, prepared: PreparedJob, vendor_call: VendorCall, request: httpx.Request | None, on_progress: Progress
    ) -> Reply:
        """Send the request and return the vendor's reply with its cost. Raises ImageError.

        `request` is None for a call that a dead process sent: its images are collected. They are paid for, so
        neither a full queue nor an open breaker refuses it.
        """
        provider, job, collects = prepared.priced.choice.provider, vendor_call.job, request is None
        texts = (job.request.prompt, job.request.negative_prompt)
        texts += private_texts(job.request, job.model) if job.request.options else ()
        secrets = tuple(text for text in (None if provider.credentials else prepared.key, *texts) if text)
        waiting = partial(on_progress, f"Waiting for a free slot at {provider.title}.")
        limit = self._concurrency or job.endpoint.concurrency
        limiter = self._limiters.setdefault(provider.name, FairLimiter(provider.title, limit, self._queue))
        breaker = self._breakers.setdefault(provider.name, Breaker(provider.title))
        try:
            async with (
                limiter.slot(prepared.caller, None if collects else job.id, waiting),
                nullcontext() if collects or self._slots is None else self._slots(provider.name, limit),
            ):
                with (
                    nullcontext() if collects else breaker.call(),
                    redacting(*secrets),
                    error_facts(operation=job.request.operation.value, model=job.model.id),
                    model_span(provider.name, job) as vendor_span,
                ):
                    await on_progress(f"{provider.title} is drawing ({job.model.id}).")
                    wire = self._wire(provider, vendor_call, prepared.key, secrets, on_progress)
                    if request is not None:
                        await checkpoint_if_cancelled()  # the slot may have come when the caller was cancelled
                        request, task = await _completed(provider, request, job, wire)
                        await run_shielded(vendor_call.mark_sent)
                        if task is not None:
                            await vendor_call.save_vendor_task(task)
                            job = replace(job, task=task)
                    cancel = partial(self._cancel, prepared, vendor_call, secrets)
                    call = partial(_send_or_collect, provider, job, wire, request, cancel)
                    if provider.cancel or provider.watch:
                        requested = prepared.cancel_requested
                        reply = await run_beside(partial(_watch, provider, job, wire, cancel, requested), call)
                    else:
                        reply = await call()
                    describe_reply(vendor_span, reply)
        except ImageError as error:
            error.hint = hint_with_variables(error.hint, provider.endpoint, job.endpoint)
            raise
        return vendor_call.record_reply(reply)

    async def _cancel(self, prepared: PreparedJob, vendor_call: VendorCall, secrets: tuple[str, ...]) -> None:
        """Ask the vendor to stop the task, if it is known by now, or the request where there are no tasks."""
        provider = prepared.priced.choice.provider
        task = vendor_call.task or vendor_call.job.task
        if provider.cancel is None or (task is None and provider.collect is not None):
            return
        wire = self._wire(provider, vendor_call, prepared.key, secrets, no_progress)
        try:
            await provider.cancel(replace(vendor_call.job, task=task), wire)
        except ImageError as error:  # the vendor goes on, and so does the call
            log.warning("vendor task not cancelled", extra={"facts": {"vendor": provider.name, "why": error.message}})

    @property
    def waiting(self) -> dict[str, int]:
        """How many calls wait for a slot, by the vendor's name."""
        return {name: limiter.waiting for name, limiter in self._limiters.items()}

    def _wire(
        self,
        provider: Provider,
        vendor_call: VendorCall,
        key: str | None,
        secrets: tuple[str, ...],
        on_progress: Progress,
    ) -> Wire:
        endpoint, timeout = vendor_call.job.endpoint, vendor_call.job.request.timeout or self._timeout
        return Wire(
            self._client(provider, endpoint, timeout),
            endpoint,
            provider.explain,
            key=key,
            credentials=provider.credentials,
            secrets=secrets,
            deadline=timeout,
            retry_timeouts=self._retry_timeouts and provider.lookup is None,
            on_progress=on_progress,
            save_vendor_task=vendor_call.save_vendor_task,
            before_repeat=vendor_call.reserve_retry,
            address_policy=AddressPolicy(resolves_elsewhere=self._transport is not None),
            on_in_flight=vendor_call.set_in_flight,
            vendor=provider.name,
            job=vendor_call.job.id,
        )

    def preload(self, catalog: Catalog) -> None:
        """Make the HTTP clients of the vendors that are set up. The certificates, which they load, take a while."""
        for provider in filter(catalog.usable, catalog.providers):
            self._client(provider, catalog.located(provider), self._timeout)

    def _client(self, provider: Provider, endpoint: Endpoint, timeout: float) -> httpx.AsyncClient:
        name = provider.name, timeout
        if name not in self._clients:  # `preload`, in a thread, may have made one meanwhile
            self._clients.setdefault(name, vendor_client(endpoint, timeout, self._transport))
        return self._clients[name]

    async def quote(self, provider: Provider, job: Job, key: str) -> Decimal | None:
        """Return what the vendor says that a call will cost, in USD. Raises ImageError."""
        assert provider.quote is not None, "the vendor states prices"
        wire = Wire(
            self._client(provider, job.endpoint, self._timeout),
            job.endpoint,
            provider.explain,
            key=key,
            secrets=(key, job.request.prompt),
            deadline=QUOTE_TIMEOUT,
            vendor=provider.name,
            job=job.id,
        )
        return await provider.quote(job, wire)

    async def aclose(self) -> None:
        """Close every connection."""
        while self._clients:
            await self._clients.popitem()[1].aclose()


async def _completed(
    provider: Provider, request: httpx.Request, job: Job, wire: Wire
) -> tuple[httpx.Request, Mapping[str, Any] | None]:
    """Return the request as it is sent, and the task to save first. Its errors cost nothing."""
    try:
        await wire.authorize()
        if provider.complete is None:
            return request, None
        completed = await provider.complete(request, job, wire)
    except ImageError as error:
        error.facts.pop("outcome", None)
        raise
    return completed.request, completed.task


async def _send_or_collect(
    provider: Provider,
    job: Job,
    wire: Wire,
    request: httpx.Request | None,
    cancel: Callable[[], Awaitable[None]],
) -> Reply:
    """Send the request and return the reply, or collect that of a call without a request."""
    if request is None:
        assert provider.collect is not None, "a call without a request is collected"
        return await provider.collect(job, wire)
    try:
        response = await wire.send(request)
    except ImageError as error:
        if error.reason is Reason.TIMEOUT and provider.collect is None:  # the answer can never be had
            await run_shielded(cancel)
        if error.outcome_unknown and provider.lookup and provider.collect:
            with suppress(ImageError):  # it may not answer this either
                if await provider.lookup(job, wire):
                    return await provider.collect(job, wire)
        raise
    reading = quoting(provider.read(response, job, wire), response)
    del response  # its body may be large, and is not needed once it is parsed
    return await reading


async def _watch(
    provider: Provider,
    job: Job,
    wire: Wire,
    cancel: Callable[[], Awaitable[None]],
    requested: anyio.Event,
) -> None:
    """Report progress that has to be polled separately, and cancel the call when its caller does."""

    async def cancel_if_requested() -> None:
        await requested.wait()
        await cancel()

    async def report_progress() -> None:
        with suppress(ImageError):
            if provider.watch:
                await provider.watch(job, wire)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cancel_if_requested)
        tasks.start_soon(report_progress)
