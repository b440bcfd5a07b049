"""Event streams as they arrive: one message an event, with the unfinished image where it has one."""

from __future__ import annotations

import base64
import json

import pytest

from atelier.providers.core.concurrency import PartialImage
from atelier.providers.transport.event_stream import EventProgress

IMAGES = [b"first " * 500, b"second " * 3000]
EVENTS = [
    {"type": "image_generation.partial_image", "partial_image_index": i, "b64_json": base64.b64encode(image).decode()}
    for i, image in enumerate(IMAGES)
]


def stream(*events: object, end: str = "\n\n") -> bytes:
    return "".join(f": ping{end}event: x\ndata: {json.dumps(event)}{end}" for event in events).encode()


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
def test_each_unfinished_image_is_whole_however_the_stream_is_cut(size: int, end: str) -> None:
    body = stream(*EVENTS, {"type": "image_generation.completed", "b64_json": "AAAA"}, end=end)
    events = EventProgress()
    found = [message for at in range(0, len(body), size) for message in events.feed(body[at : at + size])]
    assert found == [f"Part {number} of the image has arrived." for number in (1, 2, 3)]
    partial = [message for message in found if isinstance(message, PartialImage)]
    assert [(each.number, each.image_bytes) for each in partial] == list(enumerate(IMAGES))


@pytest.mark.parametrize(
    "event",
    [{"partial_image_index": 0, "b64_json": "\u00e4"}, {"partial_image_index": 0}, {"partial_image_index": "x"}],
)
def test_a_broken_unfinished_image_is_progress_all_the_same(event: object) -> None:
    (message,) = EventProgress().feed(stream(event))
    assert not isinstance(message, PartialImage)
