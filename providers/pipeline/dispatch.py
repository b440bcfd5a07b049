"""The second step: the vendor calls of a job, no more at once than the vendor allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from atelier.providers.core.concurrency import run_in_scope, run_shielded
from atelier.providers.core.environment import hint_with_variables
from atelier.providers.core.errors import ImageError, Reason, error_facts, redacting
from atelier.providers.core.gates.option_gates import private_texts
from atelier.providers.core.types import Endpoint, Progress
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.transport.network.http_client import httpx, vendor_client
from atelier.providers.transport.resilience.breaker import Breaker
from atelier.providers.transport.resilience.limiter import FairLimiter
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors.contract import Provider, Reply

Outcome = TypeVar("Outcome")

FINAL = (Reason.AUTHENTICATION, Reason.QUOTA_EXCEEDED)
"""What one call met, every other call with the same key would meet."""


class Dispatcher:
    """Clients and turns of every vendor. `timeout` is seconds for one call; see `Pipeline` for the rest."""

    def __init__(self, *, timeout: float, concurrency: int | None, queue: int, retry_timeouts: bool) -> None:
        self._timeout = timeout
        self._concurrency = concurrency
        self._queue = queue
        self._retry_timeouts = retry_timeouts
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._turns: dict[str, FairLimiter] = {}
        self._breakers: dict[str, Breaker] = {}

    async def call(
        self,
        provider: Provider,
        vendor_call: VendorCall,
        request: httpx.Request | None,
        key: str | None,
        caller: str,
        on_progress: Progress,
        settle: Callable[[Reply], Awaitable[Outcome]],
    ) -> Outcome:
        """One call of the job: its turn, send, read, and what `settle` makes of the reply. Raises ImageError.

        A caller who goes away while the vendor cannot have the request costs nothing. From the moment the vendor may
        have it the work is seen through to the end, because the vendor bills it. Without a request the call was sent
        before, by a process that died, and what became of it is collected: that is paid for, and never refused.
        """
        job, collects = vendor_call.job, request is None
        most = self._concurrency or job.endpoint.concurrency
        limiter = self._turns.setdefault(provider.name, FairLimiter(provider.title, most, self._queue))
        breaker = self._breakers.setdefault(provider.name, Breaker(provider.title))
        words = (job.request.prompt, job.request.negative_prompt, *private_texts(job.request, job.model))
        secrets = tuple(s for s in (key, *words) if s)
        hold = anyio.CancelScope(shield=collects)

        def held(up: bool) -> None:
            hold.shield = vendor_call.was_sent = up

        async def attempt() -> Outcome:
            waiting = partial(on_progress, f"Waiting for a turn at {provider.title}.")
            async with limiter.slot(caller, None if collects else job.id, waiting):
                with nullcontext() if collects else breaker.call():
                    await on_progress(f"{provider.title} is drawing ({job.model.id}).")
                    wire = self._wire(provider, vendor_call, key, secrets, on_progress, held)
                    try:
                        facts = {"operation": job.request.operation.value, "model": job.model.id}
                        with redacting(*secrets), error_facts(**facts):
                            return await _carried_out(provider, wire, request, vendor_call, settle)
                    except ImageError as error:
                        error.hint = hint_with_variables(error.hint, provider.endpoint, job.endpoint)
                        raise

        return await run_in_scope(hold, attempt)

    def _wire(
        self,
        provider: Provider,
        vendor_call: VendorCall,
        key: str | None,
        secrets: tuple[str, ...],
        on_progress: Progress,
        held: Callable[[bool], None],
    ) -> Wire:
        return Wire(
            self._client(provider.name, vendor_call.job.endpoint),
            vendor_call.job.endpoint,
            provider.explain,
            key=key,
            secrets=secrets,
            deadline=self._timeout,
            retry_timeouts=self._retry_timeouts,
            on_progress=on_progress,
            save_vendor_task=vendor_call.save_vendor_task,
            before_repeat=vendor_call.doubt,
            on_in_flight=held,
            vendor=provider.name,
            job=vendor_call.job.id,
        )

    def _client(self, name: str, endpoint: Endpoint) -> httpx.AsyncClient:
        if name not in self._clients:
            self._clients[name] = vendor_client(endpoint, self._timeout)
        return self._clients[name]

    async def aclose(self) -> None:
        """Close every connection."""
        while self._clients:
            await self._clients.popitem()[1].aclose()


async def _carried_out(
    provider: Provider,
    wire: Wire,
    request: httpx.Request | None,
    vendor_call: VendorCall,
    settle: Callable[[Reply], Awaitable[Outcome]],
) -> Outcome:
    if request is None:
        assert provider.collect is not None, "a call without a request is collected"
        reply = await provider.collect(vendor_call.job, wire)
    else:
        await checkpoint_if_cancelled()  # the turn may have come in the moment in which nobody wanted it any more
        await run_shielded(vendor_call.sent)
        reply = await provider.read(await wire.send(request), vendor_call.job, wire)
    outcome = await settle(vendor_call.billed(reply))  # first the pictures, then the books: see `journal`
    await vendor_call.settled()
    return outcome
