"""Read a vendor's event stream while it arrives, for progress. The whole body is parsed by the vendor's `read`.

Unfinished images are recognised in OpenAI's dialect, which its compatible hosts share.
"""

from __future__ import annotations

import re

from atelier.providers.core.concurrency import PartialImage
from atelier.providers.core.errors import ImageError
from atelier.providers.transport.vendor_json import Lenient, VendorModel, base64_bytes, parse_refusal, sse_data

EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
HAS_JSON = re.compile(rb"(?:^|[\r\n])data:\s*\{")  # a ping or a comment has none
EVENT_EDGE = 512  # bytes stored at either end of an incomplete event, enough to see its kind and its end


class PartialEvent(VendorModel):
    """The fields of an unfinished image."""

    partial_image_index: Lenient[int] = None
    b64_json: Lenient[str] = None


class EventProgress:
    """Turns the chunks of an event stream into progress messages, one for each event."""

    def __init__(self) -> None:
        self._count = 0
        self._edges = b""
        self._unread = list[bytes]()

    def feed(self, chunk: bytes) -> list[str]:
        """Return the messages for the events that end in this chunk.

        Only the edges of an incomplete event are searched for its end: it may have megabytes, and many chunks.
        """
        *ended, rest = EVENT_END.split(self._edges + chunk)
        self._edges = rest if len(rest) <= 2 * EVENT_EDGE else rest[:EVENT_EDGE] + rest[-EVENT_EDGE:]
        self._unread.append(chunk)
        if not ended:
            return []
        events = EVENT_END.split(b"".join(self._unread).removesuffix(rest))
        self._unread = [rest]
        return [self._message(event) for event in events if HAS_JSON.search(event)]

    def _message(self, event: bytes) -> str:
        self._count += 1
        message = f"Part {self._count} of the image has arrived."
        (data,) = sse_data(event)[:1] or (b"",)
        if b"partial_image_index" not in data:
            return message
        partial = parse_refusal(PartialEvent, data)
        if partial.partial_image_index is None or not partial.b64_json:
            return message
        try:
            return PartialImage(message, base64_bytes(partial.b64_json), partial.partial_image_index)
        except ImageError:  # it only shows progress
            return message
