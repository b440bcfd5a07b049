"""Send requests to vendors: paid requests, polls and downloads. Only here keys and retries are used.

Links in a vendor's answer are checked by the address policy before they are followed; a caller's links go through
`web_fetch`, which has no key. One exchange is retried, never the whole job: `retry` holds the table for paid requests,
while polls and downloads cost nothing and are retried after any temporary failure.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, redacting
from atelier.providers.core.tracing import add_context, traced
from atelier.providers.core.types import Endpoint, Progress
from atelier.providers.transport.base_url import image_url, vendor_url
from atelier.providers.transport.exchange import Access, Exchange, FindCredentials, resolve_allowed, safe_url
from atelier.providers.transport.network.address_policy import AddressPolicy, send_to
from atelier.providers.transport.network.http_client import httpx, transport_error
from atelier.providers.transport.response import AnswerBody, check_response, dead_link_error, refusal_error
from atelier.providers.transport.retry import (
    TASK_MISSING_STATUSES,
    PaidRequest,
    is_temporary,
    retry_after,
    retry_policy,
)
from atelier.providers.transport.vendor_errors import error_status
from atelier.providers.transport.vendor_json import base64_bytes, invalid_response, is_data_uri

__all__ = ["Wire", "httpx", "retry_after"]

MAX_ANSWER_BYTES = 256 * 2**20  # ten 4K images in base64
MAX_DOWNLOAD_BYTES = 64 * 2**20
MAX_REDIRECTS = 5
MAX_POLL_FAILURES = 4  # in a row, each after its own retries


class Wire:
    """The exchanges of one job with one vendor, under one deadline.

    key               added to a copy of the request just before it is sent, and only to a trusted host
    credentials       finds what is added in place of a key, where the vendor needs more than that
    secrets           the key and the prompt, which are redacted in error messages
    deadline          seconds for the whole call, including waits and polls
    retry_timeouts    retry a call that timed out, with twice the time; `before_repeat` is awaited before that
    on_in_flight      called with True when the vendor may have the paid request, with False while it cannot
    save_vendor_task  stores the vendor's task, so that a restart collects it
    address_policy    the addresses that links of the vendor may lead to; `vendor` and `job` are names for the log
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoint: Endpoint,
        explain: Callable[[httpx.Response], ImageError],
        *,
        key: str | None = None,
        credentials: FindCredentials | None = None,
        secrets: tuple[str, ...] = (),
        deadline: float = 300.0,
        retry_timeouts: bool = False,
        on_progress: Progress | None = None,
        save_vendor_task: Callable[[Mapping[str, Any]], Awaitable[None]] | None = None,
        before_repeat: Callable[[], Awaitable[None]] | None = None,
        on_in_flight: Callable[[bool], None] = lambda _: None,
        address_policy: AddressPolicy = AddressPolicy(),  # noqa: B008 - frozen
        vendor: str = "",
        job: str = "",
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._explain = explain
        self._access = Access(endpoint, key, credentials)
        self._secrets = secrets
        self._ends = time.monotonic() + deadline * (2 if retry_timeouts else 1)
        self._deadline = deadline
        self._retry_timeouts = retry_timeouts
        self._on_progress = on_progress
        self._save_vendor_task = save_vendor_task
        self._before_repeat = before_repeat
        self._on_in_flight = on_in_flight
        self._address_policy = address_policy
        self._names = vendor, job

    async def on_progress(self, message: str) -> None:
        """Report progress to the caller."""
        if self._on_progress is not None:
            await self._on_progress(message)

    async def save_vendor_task(self, task: Mapping[str, Any]) -> None:
        """Store the vendor's task, so that a restart collects it instead of paying again."""
        if self._save_vendor_task is not None:
            await self._save_vendor_task(task)

    async def authorize(self) -> None:
        """Find the vendor's credentials, before anything is sent that it may bill. Raises authentication."""
        self._secrets += await self._access.find(self._client)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a paid request and return its answer. Raises the error from `explain`, timeout or network_error."""
        paid = PaidRequest(self._on_in_flight, self._before_repeat, retry_timeouts=self._retry_timeouts)
        try:
            async for attempt in retry_policy(paid.should_retry, self._seconds_left(), self.on_progress):
                with attempt:
                    await paid.start_attempt()
                    number = attempt.retry_state.attempt_number
                    return await self._exchange(request, MAX_ANSWER_BYTES, number, paid=paid)
        except BaseException:
            if paid.unknown_error:
                raise paid.unknown_error from None
            raise
        raise AssertionError("the policy either returns or raises")

    async def free(self, method: str, url: str, *, with_key: bool = True, **body: Any) -> httpx.Response:
        """Return the answer to a request that costs nothing, such as a list or an upload. Raises as `send` does.

        An address that the vendor sent is checked as a link is; without `with_key` it does not get the key.
        """
        request = httpx.Request(method, vendor_url(url, self._endpoint), **body)
        return await self._send_free(request, with_key=with_key)

    @traced("poll")
    async def poll(
        self,
        url: str,
        ready: Callable[[httpx.Response], bool],
        *,
        every: float = 1.0,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """GET `url` every `every` seconds until `ready` accepts the answer, within the deadline.

        The task is paid for, so up to MAX_POLL_FAILURES failures in a row are ignored, except a content refusal and an
        error with `collectable=False`. The error that ends the poll is collectable if the vendor may have the task.
        """
        failures = 0
        while True:
            response = None
            try:
                response = await self._send_free(httpx.Request("GET", vendor_url(url, self._endpoint), headers=headers))
                if ready(response):
                    return response
                if error_status(response.content) is not None:
                    raise self.refusal(response)
                failures = 0
            except ImageError as error:
                failures += 1
                if error.reason is Reason.CONTENT_POLICY or error.facts.get("collectable") is False:
                    raise
                if failures > MAX_POLL_FAILURES:
                    error.facts["collectable"] = (
                        response is not None or error.facts.get("status") not in TASK_MISSING_STATUSES
                    )
                    raise
            if self._seconds_left() <= every:
                message = f"The vendor did not finish within {self._deadline:.0f} seconds."
                hint = "Raise ATELIER_TIMEOUT_SECONDS or try again later."
                raise ImageError(Reason.TIMEOUT, message, hint=hint, facts={"outcome": "unknown", "collectable": True})
            await anyio.sleep(every)

    async def download(self, url: str, message: str = "The image is done; downloading it.") -> bytes:
        """Return the bytes of a data URI or of a vendor's link, which may be relative to the base URL.

        The download sends no key and needs https, unless the base URL has none. A dead link is an invalid_response with
        the link's `status`: the image was made and may have been billed. `message` is the progress message.
        """
        if is_data_uri(url):
            return base64_bytes(url)
        target = self.resolve_link(url)
        await self.on_progress(message)
        return await self._download(target)

    @traced("download")
    async def _download(self, target: httpx.URL) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = await self._send_free(httpx.Request("GET", target), MAX_DOWNLOAD_BYTES, with_key=False)
            except ImageError as error:
                raise dead_link_error(error) from None
            if not response.is_redirect:
                return response.content
            target = image_url(response.headers.get("location", ""), self._endpoint, target)
        raise invalid_response(f"The vendor's download link redirects more than {MAX_REDIRECTS} times.")

    def resolve_link(self, url: str) -> httpx.URL:
        """Return a link of an answer, which may be relative to the base URL. Raises invalid_response."""
        return image_url(url.strip(), self._endpoint, httpx.URL(f"{self._endpoint.base_url}/"))

    async def _send_free(
        self, request: httpx.Request, cap: int = MAX_ANSWER_BYTES, *, with_key: bool = True
    ) -> httpx.Response:
        """Make an exchange that costs nothing; any temporary failure is retried."""
        async for attempt in retry_policy(is_temporary, self._seconds_left(), self.on_progress):
            with attempt:
                return await self._exchange(request, cap, attempt.retry_state.attempt_number, with_key=with_key)
        raise AssertionError("the policy either returns or raises")

    async def _exchange(
        self,
        request: httpx.Request,
        cap: int,
        attempt: int,
        *,
        with_key: bool = True,
        paid: PaidRequest | None = None,
    ) -> httpx.Response:
        """Send one request, log the exchange and return its whole answer. Raises ImageError for every failure."""
        await self.authorize()
        with redacting(*self._secrets):
            exchange = Exchange(request.method, safe_url(request.url), attempt)
            with exchange.recorded(request.url, *self._names):
                response = await self._receive(request, cap, with_key=with_key, paid=paid)
                exchange.record_answer(response)
                if paid:
                    add_context(request_id=exchange.facts["request_id"])
                check_response(response, request.url, self._endpoint, self._explain, with_key=with_key, paid=paid)
        return response

    async def _receive(
        self, request: httpx.Request, cap: int, *, with_key: bool, paid: PaidRequest | None
    ) -> httpx.Response:
        """Send one request and return its whole answer, success or error.

        Its URL may come from a vendor's response and is checked, unless it leads to the host of the base URL.
        """
        outgoing = self._access.admitted(request) if with_key else request
        if paid:
            outgoing.extensions["trace"] = paid.trace
        body = None
        try:
            # a read timeout does not limit a response that arrives byte by byte
            with anyio.fail_after(max(0.0, min(self._seconds_left(), self._deadline))):
                addresses = await resolve_allowed(request.url, self._endpoint, self._address_policy)
                client = self._client
                arriving = await (
                    send_to(client, outgoing, addresses) if addresses else client.send(outgoing, stream=True)
                )
                body = AnswerBody(arriving, cap, self.on_progress)
                return await body.read()
        except (httpx.RequestError, TimeoutError) as error:
            if body and (arrived := body.arrived()):
                return arrived
            raise transport_error(error, self._endpoint, request.url.host) from None

    def refusal(self, response: httpx.Response) -> ImageError:
        """Return the ImageError that an answer means, with key and prompt redacted."""
        with redacting(*self._secrets):
            return refusal_error(response, self._explain)

    def _seconds_left(self) -> float:
        return self._ends - time.monotonic()
