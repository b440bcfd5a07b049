"""Read the body of an answer: decompressed, up to a limit, and as far as it arrived before a connection broke."""

from __future__ import annotations

import io
import zlib
from collections.abc import AsyncIterator

from atelier.providers.core.types import Progress
from atelier.providers.transport.event_stream import EventProgress
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.vendor_errors import holds_whole_result
from atelier.providers.transport.vendor_json import invalid_response

GZIP = b"\x1f\x8b"  # no other answer begins with these bytes (RFC 1952, 2.3.1)
OTHER_CODINGS = ("deflate", "br", "zstd")
STREAM_END = b"data: [DONE]"  # some hosts leave the connection open after it


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
