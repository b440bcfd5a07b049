"""Where a vendor's key may go, and where the links may lead that a vendor gives."""

from __future__ import annotations

from atelier.providers.core.answers import bad_answer
from atelier.providers.core.dial import NoSuchHostError, Reach
from atelier.providers.core.http import httpx
from atelier.providers.core.types import Endpoint


def given(words: str, endpoint: Endpoint, base: httpx.URL | None = None) -> httpx.URL:
    """An address that the vendor gave: https, unless its own host is not. Raises invalid_response."""
    try:
        url = base.join(words) if base else httpx.URL(words)
    except (httpx.InvalidURL, ValueError):
        raise bad_answer("The vendor gave a link that is no address.") from None
    if url.scheme not in ("https", httpx.URL(endpoint.base_url).scheme) or not url.host:
        raise bad_answer("The vendor gave a link that is not https.")
    return url


async def judged(url: httpx.URL, endpoint: Endpoint, reach: Reach) -> tuple[str, ...]:
    """Where a link of the vendor's may be dialled; nothing for one to where the operator sends requests anyway.

    Raises invalid_response for one that leads where it must not, and ConnectError for one that leads nowhere.
    """
    base = httpx.URL(endpoint.base_url)
    if url.host == base.host or endpoint.transport:
        return ()
    try:
        return await reach.of_vendor(url, base if endpoint.custom else None)
    except NoSuchHostError as error:
        raise httpx.ConnectError(f"it {error}") from None
    except ValueError as error:
        raise bad_answer(f"The vendor gave a link that {error}.") from None


def is_trusted(url: httpx.URL, endpoint: Endpoint) -> bool:
    """Whether the key may go there: to the host of the base URL, on any port; or, where that is the vendor's own, to
    another of the vendor's."""
    base = httpx.URL(endpoint.base_url)
    vendors = endpoint.is_vendors(base.host) and endpoint.is_vendors(url.host)
    return (url.scheme, url.host) == (base.scheme, base.host) or (vendors and url.scheme == "https")
