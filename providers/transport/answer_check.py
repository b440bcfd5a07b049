"""Whether a vendor's answer is a success, and what it means where it is none."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from atelier.providers.core.errors import BILLED, ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.base_url import base_url_hint
from atelier.providers.transport.exchange import address
from atelier.providers.transport.network.http_client import httpx, with_body
from atelier.providers.transport.paid_request import PaidRequest
from atelier.providers.transport.vendor_errors import error_status, is_page, vendor_error

MAX_ERROR_BYTES = 64 * 2**10  # of an error answer that are worth reading

UNCLEAR = (Reason.INVALID_REQUEST, Reason.PROVIDER_UNAVAILABLE, Reason.AUTHENTICATION)
"""Reasons that follow from a status alone, where the words may say that the content was refused."""

Explain = Callable[[httpx.Response], ImageError]


def check(
    response: httpx.Response,
    url: httpx.URL,
    endpoint: Endpoint,
    explain: Explain,
    *,
    signed: bool,
    paid: PaidRequest | None,
) -> None:
    """Raise an ImageError for an answer that is no success; that to a `paid` request is judged by its body too."""
    if response.is_redirect and signed:
        raise ImageError(
            Reason.INVALID_RESPONSE,
            "The vendor's host answered with a redirect, which is not followed because a key is on board.",
            hint=f"Check {endpoint.base_url_variable or 'the base URL'}.",
        )
    if paid and response.is_success and is_page(response.content):
        raise page_error(url, endpoint)
    status = error_status(response.content) if paid and response.is_success else None
    if not response.is_error and status is None:
        return
    error = refusal(response, explain)
    if paid:
        error.from_vendor = error.from_vendor or status is not None  # no gateway's page is a 200
        paid.refused(error, status or response.status_code)
        if response.status_code == HTTPStatus.NOT_FOUND and endpoint.custom:
            error.message += f" The address was {address(url)}."
            error.hint = base_url_hint(endpoint)
    raise error


def refusal(response: httpx.Response, explain: Explain) -> ImageError:
    """Return what an error means, in an error answer or in a success.

    `explain` reads the vendor's own shape; the words and policy codes of other dialects are read for all vendors alike.
    """
    status, body = response.status_code, response.content[:MAX_ERROR_BYTES]
    if response.is_success:
        status, body = error_status(response.content) or status, response.content
    error, found = explain(with_body(response, body, status)), vendor_error(body)
    error.from_vendor = error.from_vendor or found.is_json
    if found.message and "“" not in error.message:
        error.message = f"{error.message.rstrip('.')}: “{sanitize(found.message)}”"
    if error.reason in UNCLEAR and found.refuses_content(status):
        error.reason, error.hint = Reason.CONTENT_POLICY, "Reword the prompt or use other source pictures."
    error.facts.setdefault("status", response.status_code)
    return error


def page_error(url: httpx.URL, endpoint: Endpoint) -> ImageError:
    """Return the error for a success that is a web page. At an address that is not the vendor's nothing was billed."""
    message = f"{address(url)} answered with a web page in place of an image."
    if endpoint.custom:
        return ImageError(Reason.INVALID_RESPONSE, message, hint=base_url_hint(endpoint))
    hint = f"A proxy or a sign-in page may be in between. {BILLED}"
    return ImageError(Reason.INVALID_RESPONSE, message, hint=hint, facts={"outcome": "unknown"})
