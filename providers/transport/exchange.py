"""Record one exchange with a vendor: facts for its errors, and one log line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from atelier.providers.core.errors import ImageError, sanitize
from atelier.providers.core.tracing import span
from atelier.providers.transport.network.http_client import httpx

log = logging.getLogger("atelier")

REQUEST_ID_HEADERS = (
    "x-request-id", "request-id", "x-goog-request-id", "apim-request-id", "x-ms-request-id", "x-amzn-requestid",
    "x-fal-request-id", "x-recraft-requestid", "x-litellm-call-id",
)  # fmt: skip
"""Response headers with the vendor's request id, in the order of preference. A CDN's id, such as cf-ray, does not help
the vendor's support."""


observers = list[Callable[[str, str], None]]()
"""Called with the vendor and the outcome of each exchange: `ok`, or the reason of its failure. For metrics."""


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
