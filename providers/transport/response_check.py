"""Check a vendor's answer, and turn an error answer into an ImageError."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from atelier.providers.core.errors import MAY_BE_BILLED, ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.answer_body import with_body
from atelier.providers.transport.base_url import base_url_hint
from atelier.providers.transport.exchange import safe_url
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.paid_request import PaidRequest
from atelier.providers.transport.resilience.retry import MAX_RETRY_WAIT, OUTCOME_UNKNOWN_STATUSES
from atelier.providers.transport.vendor_errors import NO_ERROR, error_status, is_page, vendor_error
from atelier.providers.transport.vendor_json import invalid_response

MAX_ERROR_BYTES = 64 * 2**10  # read of an error answer

UNCLEAR = (Reason.INVALID_REQUEST, Reason.PROVIDER_UNAVAILABLE, Reason.AUTHENTICATION)
"""Reasons that follow from the status alone; the message may show that the content was refused."""

WITHOUT_IMAGE = (Reason.INVALID_RESPONSE, Reason.CONTENT_POLICY)
"""Reasons of a success answer without an image. Errors of later polls and downloads have more facts."""

WRONG_ADDRESS = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)

Result = TypeVar("Result")
Explain = Callable[[httpx.Response], ImageError]


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
    if paid and response.is_success and is_page(response.content):
        raise web_page_error(url, endpoint)
    status = error_status(response.content) if paid and response.is_success else None
    if not response.is_error and status is None:
        return
    error = refusal_error(response, explain)
    if paid:
        error.from_vendor = error.from_vendor or status is not None  # a gateway's error page is never a 200
        named = vendor_error(response.content[:MAX_ERROR_BYTES]).status  # a gateway may pass on a timeout as its 500
        paid.record_refusal(error, named if named in OUTCOME_UNKNOWN_STATUSES else status or response.status_code)
        code = str(error.facts.get("code") or HTTPStatus.NOT_FOUND.value)
        is_of_the_model = error.reason is Reason.UNKNOWN_MODEL and not code.isdigit()  # in the API's own word
        if response.status_code in WRONG_ADDRESS and endpoint.custom and not is_of_the_model:
            hint = error.hint if endpoint.is_local else base_url_hint(endpoint)  # how to start it
            error.hint = f"{hint} The request went to {safe_url(url)}."
        elif response.is_client_error and is_page(response.content):
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
    words = "" if len(response.content) > MAX_ERROR_BYTES else vendor_error(response.content).message
    words = "" if NO_ERROR.fullmatch(words) else words
    return _quoting(reading, words)


async def _quoting(reading: Awaitable[Result], words: str) -> Result:
    try:
        return await reading
    except ImageError as error:
        is_of_answer = error.reason in WITHOUT_IMAGE and not error.facts.keys() & {"status", "collectable"}
        if words and is_of_answer and "“" not in error.message:
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
