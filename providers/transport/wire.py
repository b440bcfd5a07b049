"""The one socket to vendors: send, poll, download. Keys and retries exist here and nowhere else.

What a stranger's link leads to comes in by another door, `fetch`, which no key passes. Links that a vendor gives are
followed here, and judged by the same rules before they are dialled. One exchange is retried, never the whole job; the
rules for paid requests are the table in `retry`. Polls and downloads cost nothing and retry freely.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, redacting
from atelier.providers.core.types import Endpoint, Progress
from atelier.providers.transport.answer_check import check, refusal
from atelier.providers.transport.base_url import is_trusted, resolve_allowed, vendor_url
from atelier.providers.transport.exchange import Exchange, address
from atelier.providers.transport.network.address_policy import AddressPolicy, sent
from atelier.providers.transport.network.http_client import failure, httpx, whole
from atelier.providers.transport.paid_request import PaidRequest
from atelier.providers.transport.resilience.retry import policy, retry_after
from atelier.providers.transport.vendor_json import base64_bytes, invalid_response, is_data_uri

__all__ = ["Wire", "httpx", "retry_after"]

LARGEST_ANSWER = 256 * 2**20  # bytes: ten 4K pictures in base64
LARGEST_PICTURE = 64 * 2**20  # bytes of one download
REDIRECTS = 5
FORGIVEN = 4  # polls in a row that may fail, each after its own retries

OF_THE_WORK = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY)
"""Answers to a poll that may mean that there is nothing to be had; others mean the key, a gateway or the moment, and
say nothing of work that is paid for."""


class Wire:
    """The exchanges of one job with one vendor, under one deadline.

    `key` joins a copy of the request at the last moment, and only on the way to a trusted host. `secrets` (the key
    and the prompt) are struck out of what a refusal says. `deadline` is seconds for the call as a whole, waits and
    polls included; with `retry_timeouts` a call that ran into it is made once more, and `doubt` hears of it before.
    `held` hears until when a paid request can be called off: see `paid`. `save_vendor_task` stores the name by which
    the vendor knows the work. `reach` is how far links of the vendor go. `vendor` and `job` name it all in the log.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoint: Endpoint,
        explain: Callable[[httpx.Response], ImageError],
        *,
        key: str | None = None,
        secrets: tuple[str, ...] = (),
        deadline: float = 300.0,
        retry_timeouts: bool = False,
        on_progress: Progress | None = None,
        save_vendor_task: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None,
        doubt: Callable[[], Awaitable[None]] | None = None,
        held: Callable[[bool], None] | None = None,
        reach: AddressPolicy = AddressPolicy(),  # noqa: B008 - frozen
        vendor: str = "",
        job: str = "",
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._explain = explain
        self._key = key
        self._secrets = secrets
        self._ends = time.monotonic() + deadline * (2 if retry_timeouts else 1)
        self._deadline = deadline
        self._retry_timeouts = retry_timeouts
        self._tell = on_progress
        self._save_vendor_task = save_vendor_task
        self._doubt = doubt
        self._held = held
        self._reach = reach
        self._names = vendor, job

    async def on_progress(self, message: str) -> None:
        """Pass a word on progress to whoever waits."""
        if self._tell is not None:
            await self._tell(message)

    async def save_vendor_task(self, task: Mapping[str, Any]) -> None:
        """Write down by what name the vendor knows the work, so that a restart collects it and does not buy again."""
        if self._save_vendor_task is not None:
            await self._save_vendor_task(task)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Fire a paid request. Raises what `explain` makes of a refusal, timeout or network_error."""
        paid = PaidRequest(self._held, self._doubt, retry_timeouts=self._retry_timeouts)

        async def exchange(attempt: int) -> httpx.Response:
            await paid.begin()
            return await self._exchange(request, LARGEST_ANSWER, attempt, paid=paid)

        try:
            return await self._retrying(exchange, paid.again)
        except BaseException:
            if paid.in_doubt:
                raise paid.in_doubt from None
            raise

    async def ask(self, url: str) -> httpx.Response:
        """GET what costs nothing, such as a list of models. Raises as `send` does."""
        return await self._free(httpx.Request("GET", vendor_url(url, self._endpoint)))

    async def poll(
        self,
        url: str,
        ready: Callable[[httpx.Response], bool],
        *,
        every: float = 1.0,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """GET `url` every so many seconds until `ready`, within the deadline.

        The work is paid for, so failures are forgiven several times in a row, and so are answers that `ready` cannot
        read: all but a refusal of the content, and what says of itself that it is not collectable. What is left of
        them is collectable, unless it may mean that the vendor does not have the work.
        """
        forgiven = 0
        while True:
            response = None
            try:
                response = await self._free(httpx.Request("GET", vendor_url(url, self._endpoint), headers=headers))
                if ready(response):
                    return response
                forgiven = 0
            except ImageError as error:
                forgiven += 1
                if error.reason is Reason.CONTENT_POLICY or error.facts.get("collectable") is False:
                    raise
                if forgiven > FORGIVEN:
                    error.facts["collectable"] = response is not None or error.facts.get("status") not in OF_THE_WORK
                    raise
            if self._left() <= every:
                raise ImageError(
                    Reason.TIMEOUT,
                    f"The vendor was still at work after {self._deadline:.0f} seconds.",
                    hint="Raise ATELIER_TIMEOUT_SECONDS or try again later.",
                    facts={"outcome": "unknown", "collectable": True},
                )
            await anyio.sleep(every)

    async def download(self, url: str, words: str = "The picture is done; downloading it.") -> bytes:
        """The bytes in a data URI, or behind a link that the vendor gave, which may be relative to the base URL:
        without the key, and https unless its own host is not.

        A link that is dead or leads nowhere is an invalid_response: the picture was made, and may have been billed.
        The fact `status` is what the link answered. `words` tell of it to whoever waits.
        """
        if is_data_uri(url):
            return base64_bytes(url)
        target = vendor_url(url.strip(), self._endpoint, httpx.URL(f"{self._endpoint.base_url}/"))
        await self.on_progress(words)
        for _ in range(REDIRECTS + 1):
            try:
                response = await self._free(httpx.Request("GET", target), LARGEST_PICTURE, signed=False)
            except ImageError as error:
                if error.reason is Reason.INVALID_RESPONSE:
                    raise
                status = error.facts.get("status")
                why = f"answered {status}" if status else "could not be reached"
                dead = invalid_response(f"The picture was made, but the vendor's link to it {why}.")
                dead.facts |= {"status": status, "collectable": error.retryable or status is None}
                dead.hint = dead.hint if status else f"{error.message} {error.hint}"
                raise dead from None
            if not response.is_redirect:
                return response.content
            target = vendor_url(response.headers.get("location", ""), self._endpoint, target)
        raise invalid_response(f"The vendor's download link redirects more than {REDIRECTS} times.")

    async def _free(self, request: httpx.Request, cap: int = LARGEST_ANSWER, *, signed: bool = True) -> httpx.Response:
        """An exchange that costs nothing and may be repeated after any passing failure."""
        return await self._retrying(
            lambda attempt: self._exchange(request, cap, attempt, signed=signed, followed=True),
            lambda error: isinstance(error, ImageError) and error.retryable,
        )

    async def _retrying(
        self, exchange: Callable[[int], Awaitable[httpx.Response]], again: Callable[[BaseException], bool]
    ) -> httpx.Response:
        async for attempt in policy(again, self._left(), self.on_progress):
            with attempt:
                return await exchange(attempt.retry_state.attempt_number)
        raise AssertionError("the policy either returns or raises")

    async def _exchange(
        self,
        request: httpx.Request,
        cap: int,
        attempt: int,
        *,
        signed: bool = True,
        followed: bool = False,
        paid: PaidRequest | None = None,
    ) -> httpx.Response:
        """One request and its whole answer, logged; every failure comes out as an ImageError."""
        with redacting(*self._secrets):
            exchange = Exchange(request.method, address(request.url), attempt)
            ended: BaseException | None = None
            try:
                response = await self._answered(request, cap, signed=signed, followed=followed, paid=paid)
                exchange.answered(response)
                check(response, request.url, self._endpoint, self._explain, signed=signed, paid=paid)
            except BaseException as error:
                ended = error
                if isinstance(error, ImageError):
                    exchange.explain(error)
                raise
            finally:
                exchange.log(*self._names, ended)
        return response

    async def _answered(
        self, request: httpx.Request, cap: int, *, signed: bool, followed: bool, paid: PaidRequest | None
    ) -> httpx.Response:
        """One request and its whole answer, whatever that says.

        An address of the vendor's that is `followed` is judged before it is dialled. What is `paid` for is watched.
        """
        outgoing = self._signed(request) if signed else request
        if paid:
            outgoing.extensions["trace"] = paid.trace
        try:
            # a read timeout does not bound a slow drip
            with anyio.fail_after(max(0.0, min(self._left(), self._deadline))):
                addresses = await resolve_allowed(request.url, self._endpoint, self._reach) if followed else ()
                arriving = await sent(self._client, outgoing, addresses)
                try:
                    return await whole(arriving, cap, self.on_progress)
                finally:
                    await arriving.aclose()
        except (httpx.RequestError, TimeoutError) as error:
            raise failure(error, self._endpoint, request.url.host) from None

    def _signed(self, request: httpx.Request) -> httpx.Request:
        """A copy that bears the key; the prepared request itself never does."""
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        if self._key and is_trusted(request.url, self._endpoint):
            copy.headers[self._endpoint.key_header] = self._endpoint.key_prefix + self._key
        return copy

    def refusal(self, response: httpx.Response) -> ImageError:
        """What an error means, in an error answer or in a success, with key and prompt struck out of the words."""
        with redacting(*self._secrets):
            return refusal(response, self._explain)

    def _left(self) -> float:
        return self._ends - time.monotonic()
