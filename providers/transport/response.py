"""Read a vendor's answer while it arrives, check it, and turn an error answer into an ImageError."""

from __future__ import annotations

import io
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from atelier.providers.core.errors import MAY_BE_BILLED, ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Progress
from atelier.providers.transport.base_url import base_url_hint
from atelier.providers.transport.event_stream import EventProgress
from atelier.providers.transport.exchange import safe_url
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.retry import MAX_RETRY_WAIT, OUTCOME_UNKNOWN_STATUSES, PaidRequest
from atelier.providers.transport.vendor_errors import (
    ERROR_FIELDS,
    MAX_ERROR_IN_200,
    NO_ERROR,
    WEB_PAGE,
    error_status,
    holds_whole_result,
    vendor_error,
)
from atelier.providers.transport.vendor_json import invalid_response

MAX_ERROR_BYTES = 64 * 2**10  # read of an error answer
GZIP = b"\x1f\x8b"  # no other answer begins with these bytes (RFC 1952, 2.3.1)
OTHER_CODINGS = ("deflate", "br", "zstd")
STREAM_END = b"data: [DONE]"  # some hosts leave the connection open after it
UNCLEAR = (Reason.INVALID_REQUEST, Reason.PROVIDER_UNAVAILABLE, Reason.AUTHENTICATION)
"""Reasons that follow from the status alone; the message may show that the content was refused."""

WITHOUT_IMAGE = (Reason.INVALID_RESPONSE, Reason.CONTENT_POLICY)
"""Reasons of a success answer without an image. Errors of later polls and downloads have more facts."""

WRONG_ADDRESS = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)

Result = TypeVar("Result")

Explain = Callable[[httpx.Response], ImageError]


class AnswerBody:
    """The body of one answer, at most `cap` bytes. Parts of an event stream are reported as progress."""

    def __init__(self, arriving: httpx.Response, cap: int, on_progress: Progress) -> None:
        self._arriving = arriving
        self._cap = cap
        self._on_progress = on_progress
        self._body = io.BytesIO()  # its value is not a second copy of the body, as joined chunks would be

    async def read(self) -> httpx.Response:
        """Read all, close the connection and return the response."""
        is_stream = self._arriving.headers.get("content-type", "").startswith("text/event-stream")
        events, size, tail = EventProgress() if is_stream else None, 0, b""
        try:
            async for chunk in self._decompressed():
                size += len(chunk)
                if size > self._cap:
                    raise invalid_response(f"The vendor's answer is larger than {self._cap // 2**20} MB.")
                self._body.write(chunk)
                if events is None:
                    continue
                for message in events.feed(chunk):
                    await self._on_progress(message)
                tail = (tail + chunk)[-2 * len(STREAM_END) :]
                if tail.rstrip().endswith(STREAM_END):
                    break
        finally:
            await self._arriving.aclose()
        return with_body(self._arriving, self._body.getvalue())

    def arrived(self) -> httpx.Response | None:
        """Return the response after a connection that broke or did not end, if all that counts had arrived.

        That is an error status, which says by itself that there is no image, or the whole value with the result.
        """
        body = self._body.getvalue()
        return with_body(self._arriving, body) if self._arriving.is_error or holds_whole_result(body) else None

    async def _decompressed(self) -> AsyncIterator[bytes]:
        """Yield the body. Its beginning shows gzip, because gateways drop the header, or leave it on a plain body."""
        arriving = self._arriving
        if arriving.is_stream_consumed or arriving.headers.get("content-encoding", "").lower() in OTHER_CODINGS:
            async for chunk in arriving.aiter_bytes():
                yield chunk
            return
        start, gzip = b"", None
        async for chunk in arriving.aiter_raw():
            if len(start) < len(GZIP):
                start += chunk
                if len(start) < len(GZIP):
                    continue
                chunk, gzip = start, zlib.decompressobj(31) if start.startswith(GZIP) else None
            try:
                yield gzip.decompress(chunk, self._cap + 1) if gzip else chunk
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from None
        if len(start) < len(GZIP):
            yield start


def with_body(response: httpx.Response, body: bytes, status: int | None = None) -> httpx.Response:
    """Return a copy of a response with another body, and optionally another status.

    Headers about the old body's encoding are dropped. Headers are copied as bytes, because they may not be ASCII.
    """
    stale = (b"content-encoding", b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in stale]
    return httpx.Response(status or response.status_code, headers=headers, content=body)


def may_be_error(body: bytes) -> bool:
    """Whether the body of a success answer may be an error: a field of one is in its first MB."""
    return ERROR_FIELDS.search(body, 0, MAX_ERROR_IN_200) is not None


def check_response(
    response: httpx.Response,
    url: httpx.URL,
    endpoint: Endpoint,
    explain: Explain,
    *,
    with_key: bool,
    paid: PaidRequest | None,
) -> None:
    """Raise an ImageError for an error answer. The answer to a `paid` request may be an error in a 200."""
    if response.is_redirect and with_key:
        raise ImageError(
            Reason.INVALID_RESPONSE,
            "The vendor's host answered with a redirect, which is not followed because it could leak the key.",
            hint=f"Check {endpoint.base_url_variable or 'the base URL'}. It leads to {_target(response, url)}.",
        )
    body, status = response.content, None
    if paid and response.is_success:
        if WEB_PAGE.match(body):
            raise web_page_error(url, endpoint)
        status = error_status(body) if may_be_error(body) else None
    if not response.is_error and status is None:
        return
    error = refusal_error(response, explain)
    if paid:
        error.from_vendor = error.from_vendor or status is not None  # a gateway's error page is never a 200
        named = vendor_error(body[:MAX_ERROR_BYTES]).status  # a gateway may pass on a timeout as its 500
        paid.record_refusal(error, named if named in OUTCOME_UNKNOWN_STATUSES else status or response.status_code)
        code = str(error.facts.get("code") or HTTPStatus.NOT_FOUND.value)
        is_of_the_model = error.reason is Reason.UNKNOWN_MODEL and not code.isdigit()  # in the API's own word
        if response.status_code in WRONG_ADDRESS and endpoint.custom and not is_of_the_model:
            hint = error.hint if endpoint.is_local else base_url_hint(endpoint)  # how to start it
            error.hint = f"{hint} The request went to {safe_url(url)}."
        elif response.is_client_error and WEB_PAGE.match(body):
            error.hint = (
                f"{error.hint} A web page came in place of the vendor's own error, as a proxy or firewall sends."
            )
    raise error


def refusal_error(response: httpx.Response, explain: Explain) -> ImageError:
    """Return the ImageError for an error answer, or for an error in a success answer.

    `explain` reads the vendor's own shape; messages and policy codes of gateways are read for all vendors alike.
    """
    status, body = response.status_code, response.content[:MAX_ERROR_BYTES]
    if response.is_success:
        status, body = error_status(response.content) or status, response.content
    error, found = explain(with_body(response, body, status)), vendor_error(body)
    error.from_vendor = error.from_vendor or found.is_json
    if found.message and ("“" not in error.message or error.message.endswith(f"“{found.code}”")):
        error.message = f"{error.message.rstrip('.')}: “{sanitize(found.message)}”"
    if error.reason in UNCLEAR and found.refuses_content(status):
        error.reason, error.hint = Reason.CONTENT_POLICY, "Reword the prompt or use other source images."
    elif error.reason in (*UNCLEAR, Reason.RATE_LIMITED) and (meant := found.other_status(status)):
        better = explain(with_body(response, body, meant))
        error.reason, error.hint = better.reason, better.hint
    elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        error.hint = "Use fewer or smaller source images."
    if error.reason is Reason.RATE_LIMITED and error.retry_after and error.retry_after > MAX_RETRY_WAIT:
        error.hint = f"Try again in {round(error.retry_after)} seconds, as the vendor asks."
    error.facts.setdefault("status", response.status_code)
    return error


def quoting(reading: Awaitable[Result], response: httpx.Response) -> Coroutine[Any, Any, Result]:
    """Return the reading of a success answer; its error quotes the words of an answer without an image."""
    return _quoting(reading, b"" if len(response.content) > MAX_ERROR_BYTES else response.content)


async def _quoting(reading: Awaitable[Result], body: bytes) -> Result:
    try:
        return await reading
    except ImageError as error:
        is_of_answer = error.reason in WITHOUT_IMAGE and not error.facts.keys() & {"status", "collectable"}
        words = vendor_error(body).message if is_of_answer and "“" not in error.message else ""
        if words and not NO_ERROR.fullmatch(words):
            error.message = f"{error.message.rstrip('.')}: “{sanitize(words)}”"
        raise


def dead_link_error(error: ImageError) -> ImageError:
    """Return the error for a link that leads to no image: an invalid_response with the link's `status`."""
    if error.reason is Reason.INVALID_RESPONSE:
        return error
    status = error.facts.get("status")
    why = f"answered {status}" if status else "could not be reached"
    dead = invalid_response(f"The image was made, but the vendor's link to it {why}.")
    dead.facts |= {"status": status, "collectable": error.retryable or status is None}
    dead.hint = dead.hint if status else f"{error.message} {error.hint}"
    return dead


def web_page_error(url: httpx.URL, endpoint: Endpoint) -> ImageError:
    """Return the error for a success answer that is a web page.

    With a custom base URL the page is a misconfiguration, so nothing was billed.
    """
    message = "The vendor's address answered with a web page in place of an image."
    if endpoint.custom:
        hint = f"{base_url_hint(endpoint)} The request went to {safe_url(url)}."
        return ImageError(Reason.INVALID_RESPONSE, message, hint=hint)
    hint = f"A proxy or a sign-in page may be in between. {MAY_BE_BILLED}"
    return ImageError(Reason.INVALID_RESPONSE, message, hint=hint, facts={"outcome": "unknown"})


def _target(response: httpx.Response, url: httpx.URL) -> str:
    """Return where a redirect leads, for a message."""
    try:
        return safe_url(url.join(response.headers.get("location", "")))
    except (httpx.InvalidURL, ValueError):
        return "no valid URL"
