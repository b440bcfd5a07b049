"""Fetch an image from a caller's link, without any key.

`wire` talks to vendors that the operator chose; these links come from users of the agent and are not trusted. Therefore
every redirect is checked before it is followed, and the answer is limited in time, bytes and type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.tracing import traced
from atelier.providers.transport.network import ssrf_guard
from atelier.providers.transport.network.address_policy import AddressPolicy, UnknownHostError, send_to
from atelier.providers.transport.network.http_client import httpx, untrusted_client
from atelier.providers.transport.network.ssrf_guard import ForbiddenError

MAX_REDIRECTS = 5
HEADERS = {
    "accept": "image/png, image/jpeg, image/webp, image/gif",
    "accept-encoding": "identity",  # a compressed answer could expand without limit
    "user-agent": "atelier",
}
SOURCE_HINT = "Give a public https address of an image, or download it and give its path."


@dataclass(frozen=True, slots=True)
class WebFetcher:
    """Fetches images from links. `seconds` limits the whole fetch, including redirects."""

    address_policy: AddressPolicy = field(default_factory=AddressPolicy)
    allow_http: bool = False
    seconds: float = 30.0
    redirects: int = MAX_REDIRECTS

    @traced("fetch source")
    async def fetch(self, link: str, max_bytes: int) -> bytes:
        """Return the bytes at a link whose content type is an image; the caller has to identify them.

        Raises invalid_request, not_found, timeout or network_error, each with a message of its own.
        """
        url = self._parsed(link)
        host = sanitize(url.host, 80)
        try:
            with anyio.fail_after(self.seconds):
                for _ in range(self.redirects + 1):
                    answer = await self._hop(url, max_bytes)
                    if isinstance(answer, bytes):
                        return answer
                    url = self._parsed(answer, url)
        except TimeoutError:
            message = f"{host} did not send the image within {self.seconds:g} seconds."
            raise ImageError(Reason.TIMEOUT, message, hint=f"Try again later. {SOURCE_HINT}") from None
        raise _refused(f"The address redirects more than {self.redirects} times.")

    def _parsed(self, link: str, base: httpx.URL | None = None) -> httpx.URL:
        try:
            return ssrf_guard.parse_link(link, schemes=("https", "http") if self.allow_http else ("https",), base=base)
        except ValueError as error:
            raise _refused(f"{_which(base)} {error}.") from None

    async def _hop(self, url: httpx.URL, max_bytes: int) -> bytes | str:
        """Make one request; return the image, or the location of a redirect."""
        name = sanitize(url.host, 80)
        try:
            addresses = await self.address_policy.addresses(url)
        except ForbiddenError:
            raise _refused(f"The address leads into a private network ({name}), where nothing is fetched.") from None
        except UnknownHostError:
            message = f"There is no host {name}."
            raise ImageError(Reason.NETWORK_ERROR, message, hint=f"Check the address. {SOURCE_HINT}") from None
        except ValueError as error:
            raise _refused(f"The address {error}.") from None
        request = httpx.Request("GET", url, headers=HEADERS)
        async with await anyio.to_thread.run_sync(untrusted_client, self.seconds) as client:
            try:
                response = await send_to(client, request, addresses)
                try:
                    return (
                        response.headers["location"]
                        if response.has_redirect_location
                        else (await _picture(response, name, max_bytes))
                    )
                finally:
                    await response.aclose()
            except httpx.TimeoutException:
                raise TimeoutError from None
            except httpx.RequestError as error:
                message = f"The image could not be fetched from {name} ({sanitize(error, 100) or 'no answer'})."
                raise ImageError(Reason.NETWORK_ERROR, message, hint=f"Try again later. {SOURCE_HINT}") from None


async def _picture(response: httpx.Response, name: str, max_bytes: int) -> bytes:
    """Return the body of an answer. Raises ImageError for anything but an image of at most `max_bytes`."""
    status = response.status_code
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise ImageError(Reason.NOT_FOUND, f"{name} has no image at that address ({status}).", hint=SOURCE_HINT)
    if status != HTTPStatus.OK:
        again = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
        reason = Reason.NETWORK_ERROR if again else Reason.INVALID_REQUEST
        raise ImageError(reason, f"{name} answered with status {status} instead of an image.", hint=SOURCE_HINT)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind.startswith("image/"):
        raise _refused(f"{name} sent {sanitize(kind, 60) or 'an answer without content type'} instead of an image.")
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise _refused(f"{name} sent the image compressed, although the request did not allow it.")
    size = response.headers.get("content-length", "0")
    body = bytearray()
    if not (size.isdecimal() and int(size) > max_bytes):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > max_bytes:
                break
        else:
            return bytes(body)
    raise _refused(f"The image at {name} is larger than {max_bytes / 2**20:g} MB.", "Scale it down first.")


def _which(base: httpx.URL | None) -> str:
    return "The address" if base is None else f"{sanitize(base.host, 80)} redirects, and the new address"


def _refused(message: str, hint: str = SOURCE_HINT) -> ImageError:
    return ImageError(Reason.INVALID_REQUEST, message, hint=hint)
