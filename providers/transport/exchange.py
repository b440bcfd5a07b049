"""What is known of one exchange with a vendor: facts for its errors, and one line for the log."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from atelier.providers.core.errors import ImageError, sanitize
from atelier.providers.transport.network.http_client import httpx

log = logging.getLogger("atelier")

REQUEST_ID_HEADERS = (
    "x-request-id", "request-id", "x-goog-request-id", "apim-request-id", "x-ms-request-id", "x-amzn-requestid",
    "x-fal-request-id", "x-recraft-requestid", "x-litellm-call-id",
)  # fmt: skip
"""Headers by which vendors name an exchange, in the order in which they are sought. A CDN's own, such as cf-ray, tells
the vendor nothing."""


def request_id(headers: httpx.Headers) -> str | None:
    """The vendor's own name for an exchange."""
    return next((sanitize(headers[name], 120) for name in REQUEST_ID_HEADERS if headers.get(name)), None)


def address(url: httpx.URL) -> str:
    """Scheme, host and path, which can be told; a query or a user may be a secret."""
    port = f":{url.port}" if url.port else ""
    return sanitize(f"{url.scheme}://{url.host}{port}{url.path}", 200)


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as far as it has come."""

    method: str
    url: str
    attempt: int = 1
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    began: float = field(default_factory=time.monotonic)

    def answered(self, response: httpx.Response) -> None:
        """The whole answer is here."""
        self.facts = {
            "status": response.status_code,
            "content_type": sanitize(response.headers.get("content-type", ""), 100) or None,
            "size": len(response.content),
            "request_id": request_id(response.headers),
        }

    def explain(self, error: ImageError) -> None:
        """Add to an error what is known of the exchange that it came from, unless the error knows better."""
        for name, fact in {"url": self.url, **self.facts}.items():
            if fact is not None and error.facts.get(name) is None:
                error.facts[name] = fact

    def log(self, vendor: str, job: str, failure: BaseException | None) -> None:
        """Write the line; without an answer it tells the reason in place of a status. No key and no prompt is in it."""
        reason = failure.reason.value if isinstance(failure, ImageError) else "cancelled" if failure else None
        told = {
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
        present = {name: fact for name, fact in told.items() if fact not in (None, "")}
        log.info("vendor exchange", extra={"facts": present})
