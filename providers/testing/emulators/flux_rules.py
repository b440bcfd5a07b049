"""What api.bfl.ai answers for each failure and state of a task, and accepts in a field; used by its emulator."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from atelier.providers.testing.images import opened, plain
from atelier.providers.testing.server import Answer, dashed

KEY = "bfl-emulated-0123456789abcdef"
SEED = 42
EXPANDED = "A fox, expanded by the vendor."


def trouble(status: int, detail: Any, **headers: str) -> Answer:
    """FastAPI's error body; usable as a scripted fault as well."""
    return Answer(status, {"detail": detail}, dashed(headers))


def state(word: str, http: int = 200, details: Any = None, result: Any = None) -> Answer:
    """What a poll answers."""
    body = {"id": "c0ff", "status": word, "progress": None, "details": details, "preview": None, "result": result}
    return Answer(http, body)


NOT_AUTHENTICATED = trouble(403, "Not authenticated - Invalid Authentication")
NO_CREDITS = trouble(402, "Insufficient credits. Please add credits to continue.")
NOT_FOUND = trouble(404, "Not Found")
RATE_LIMITED = trouble(429, "Rate limit exceeded", retry_after="0")
BROKEN_SERVER = trouble(500, "Internal Server Error")
OVERLOADED = trouble(503, "Service unavailable")
BROKEN_JSON = Answer(200, b'{"id": "c0ff", "polling_url": "http')
PENDING, REASONING, GENERATING = state("Pending"), state("Reasoning"), state("Generating")
REQUEST_MODERATED = state("Request Moderated", details={"Moderation Reasons": ["Public Figures"]})
CONTENT_MODERATED = state("Content Moderated", details={"Moderation Reasons": ["Derivative Works Filter"]})
FAILED = state("Error", details={"error": "The task could not be finished."})
TASK_NOT_FOUND = state("Task not found")
LINK_REFUSED = Answer(403, b"<?xml?><Error><Code>AuthenticationFailed</Code></Error>", {"content-type": "text/xml"})


def _picture(data: str) -> str:
    try:
        with opened(data) as image:
            image.load()
    except (binascii.Error, OSError) as error:
        raise ValueError("the image is no base64 of a picture") from error
    if len(data) > 20 * 2**20:
        raise ValueError("the image is larger than 20 MB")
    return data


def _reference(data: str) -> str:
    width, height = opened(data).size
    if min(width, height) < 256 or width * height > 16_000_000:
        raise ValueError("the image must have at least 256x256 pixels and at most 16 megapixels")
    return data


def _between(ratio: str) -> str:
    width, _, height = ratio.partition(":")
    if not 9 / 21 <= int(width) / int(height) <= 21 / 9:
        raise ValueError("the ratio must be between 21:9 and 9:21")
    return ratio


Picture = Annotated[str, AfterValidator(_picture)]
Reference = Annotated[str, AfterValidator(_picture), AfterValidator(_reference)]
Ratio = Annotated[str, Field(pattern=r"^\d+:\d+$"), AfterValidator(_between)]
Edge1 = Annotated[int, Field(ge=256, le=1440, multiple_of=32)]
Edge2 = Annotated[int, Field(ge=64, multiple_of=16)] | Literal[0]
Side = Annotated[int, Field(ge=0, le=2048)]
Format = Literal["jpeg", "png", "webp"]
Named = Literal[
    "auto", "21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4",
    "1:1", "4:5", "3:4", "5:7", "2:3", "9:16", "1:2", "9:21",
]  # fmt: skip
RESOLUTION_PIXELS = {"768sq": 768, "1k": 1024, "1.5k": 1536, "2k": 2048, "4k": 4096}


@dataclass(frozen=True, slots=True)
class Made:
    """A task that is done."""

    prompt: str | None
    picture: bytes
    format: str
    signature: str
    expanded: bool


@cache
def drawn(size: tuple[int, int], format: str) -> bytes:
    """A real picture of that size."""
    return plain(size, format)
