"""One exchange with a vendor: where it may go, the key it gets, and what is recorded of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.tracing import span
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.network.address_policy import AddressPolicy, UnknownHostError
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.vendor_json import invalid_response

log = logging.getLogger("atelier")

REQUEST_ID_HEADERS = (
    "x-request-id", "request-id", "x-goog-request-id", "apim-request-id", "x-ms-request-id", "x-amzn-requestid",
    "x-fal-request-id", "x-recraft-requestid", "x-litellm-call-id",
)  # fmt: skip
"""Response headers with the vendor's request id, in the order of preference. A CDN's id, such as cf-ray, does not help
the vendor's support."""

observers = list[Callable[[str, str], None]]()
"""Called with the vendor and the outcome of each exchange: `ok`, or the reason of its failure. For metrics."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials that are not a key as it is: `headers` returns what is added to a request. `secrets` are redacted."""

    headers: Callable[[httpx.Request], Mapping[str, str]]
    secrets: tuple[str, ...] = field(default=(), repr=False)


FindCredentials = Callable[[Endpoint, httpx.AsyncClient], Awaitable[Credentials]]
"""Finds the credentials of an endpoint; requests that it needs for that go through the client of the vendor."""


class Access:
    """The key of one endpoint, or what is used in its place."""

    def __init__(self, endpoint: Endpoint, key: str | None, find: FindCredentials | None) -> None:
        self._endpoint = endpoint
        self._key = key
        self._find = find
        self._credentials: Credentials | None = None

    async def find(self, client: httpx.AsyncClient) -> tuple[str, ...]:
        """Find the credentials, once. Returns the secrets to redact that are new. Raises authentication."""
        if self._find is None or self._credentials is not None:
            return ()
        self._credentials = await self._find(self._endpoint, client)
        return self._credentials.secrets

    def admitted(self, request: httpx.Request) -> httpx.Request:
        """Return a copy with the key or the credentials, if the URL may get them; the prepared one never has them."""
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
        if not _is_trusted(request.url, self._endpoint):
            return copy
        if self._credentials:
            copy.headers.update(self._credentials.headers(copy))
        elif self._key:
            copy.headers[self._endpoint.key_header] = self._endpoint.key_prefix + self._key
        return copy


def _is_trusted(url: httpx.URL, endpoint: Endpoint) -> bool:
    """Whether a URL may get the key.

    Trusted are the host of the base URL, on any port, and if that is a vendor host, the vendor's other hosts by https.
    """
    base = httpx.URL(endpoint.base_url)
    vendors = endpoint.is_vendor_host(base.host) and endpoint.is_vendor_host(url.host)
    return (url.scheme, url.host) == (base.scheme, base.host) or (vendors and url.scheme == "https")


async def resolve_allowed(url: httpx.URL, endpoint: Endpoint, address_policy: AddressPolicy) -> tuple[str, ...]:
    """Return the IP addresses to connect to for a vendor's link; empty for the host of the base URL, which is trusted.

    Raises invalid_response if the link leads to a forbidden address, and ConnectError if its host does not exist;
    invalid_request for a local server that is reached by http on the internet.
    """
    base = httpx.URL(endpoint.base_url)
    if url.host == base.host and endpoint.is_local and url.scheme == "http":
        return await _addresses_of_local_server(url, endpoint, address_policy)
    if url.host == base.host or endpoint.transport:
        return ()
    try:
        return await address_policy.addresses_of_vendor_link(url, base if endpoint.custom else None)
    except UnknownHostError as error:
        raise httpx.ConnectError(f"it {error}") from None
    except ValueError as error:
        raise invalid_response(f"The vendor sent a link that {error}.") from None


async def _addresses_of_local_server(
    url: httpx.URL, endpoint: Endpoint, address_policy: AddressPolicy
) -> tuple[str, ...]:
    try:
        return await address_policy.addresses_of_local_server(url)
    except ValueError as error:
        message = f"{endpoint.base_url_variable} is http and {error}."
        hint = "http is for this machine and private networks; use https, or a tunnel."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint) from None


@dataclass(slots=True)
class Exchange:
    """One request, and its answer once that has arrived."""

    method: str
    url: str
    attempt: int = 1
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    began: float = field(default_factory=time.monotonic)

    def record_answer(self, response: httpx.Response) -> None:
        """Record the facts of a whole answer."""
        self.facts = {
            "status": response.status_code,
            "content_type": sanitize(response.headers.get("content-type", ""), 100) or None,
            "size": len(response.content),
            "request_id": request_id(response.headers),
        }

    @contextmanager
    def recorded(self, target: httpx.URL, vendor: str, job: str) -> Generator[None]:
        """Make the exchange within the block: record its span, log it, and add its facts to an ImageError."""
        failure: BaseException | None = None
        attributes = {
            "http.request.method": self.method,
            "http.request.resend_count": self.attempt - 1 or None,
            "url.full": self.url,
            "server.address": sanitize(target.host, 100),
            "server.port": target.port or (80 if target.scheme == "http" else 443),
        }
        with span(self.method, attributes, kind="client") as exchange_span:
            try:
                yield
            except BaseException as error:
                failure = error
                if isinstance(error, ImageError):
                    self.add_facts(error)
                raise
            finally:
                exchange_span.set(
                    {
                        "http.response.status_code": self.facts.get("status"),
                        "http.response.body.size": self.facts.get("size"),
                        "atelier.vendor.request_id": self.facts.get("request_id"),
                    }
                )
                self.log(vendor, job, failure)

    def add_facts(self, error: ImageError) -> None:
        """Add the facts of this exchange to an error. Facts that the error already has stay."""
        for name, fact in {"url": self.url, **self.facts}.items():
            if fact is not None and error.facts.get(name) is None:
                error.facts[name] = fact

    def log(self, vendor: str, job: str, failure: BaseException | None) -> None:
        """Log the exchange, with the reason if there is no status. The line contains neither key nor prompt."""
        reason = failure.reason.value if isinstance(failure, ImageError) else "cancelled" if failure else None
        fields = {
            "vendor": vendor,
            "method": self.method,
            "url": self.url,
            "status": self.facts.get("status"),
            "reason": reason,
            "attempt": self.attempt,
            "seconds": round(time.monotonic() - self.began, 3),
            "bytes": self.facts.get("size"),
            "request_id": self.facts.get("request_id"),
            "job": job,
        }
        present = {name: fact for name, fact in fields.items() if fact not in (None, "")}
        log.info("vendor exchange", extra={"facts": present})
        for observe in observers:
            observe(vendor, reason or "ok")


def request_id(headers: httpx.Headers) -> str | None:
    """Return the vendor's request id."""
    for name in REQUEST_ID_HEADERS:
        if headers.get(name):
            return sanitize(headers[name], 120)
    return None


def safe_url(url: httpx.URL) -> str:
    """Return scheme, host and path for messages and logs; the query and the user may be secrets."""
    port = f":{url.port}" if url.port else ""
    return sanitize(f"{url.scheme}://{url.host}{port}{url.path}", 200)
