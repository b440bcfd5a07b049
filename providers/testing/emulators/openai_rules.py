"""What api.openai.com accepts, refuses and counts: the rules of its emulator, and its answers for each failure."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Any

import anyio
from PIL import Image

from atelier.providers.testing.images import encoded
from atelier.providers.testing.server import Answer, RefusedError, dashed

KEY = "sk-emulated-0123456789abcdef"
FREE: tuple[str, ...] = (
    "gpt-image-2", "gpt-image-2-2026-04-21",
    "gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.6-flare", "gpt-image-2.6-sunburst",
)  # fmt: skip
FIXED: tuple[str, ...] = ("gpt-image-1.5", "gpt-image-1.5-2025-12-16", "gpt-image-1-mini", "chatgpt-image-latest")
FIELDS = {
    "prompt", "model", "n", "size", "quality", "background", "output_format", "output_compression", "moderation",
    "complexity", "stream", "partial_images", "safety_identifier", "user",
}  # fmt: skip
NEW_QUALITIES = {"auto", "low", "medium", "high", "xhigh", "max"}
OLD_QUALITIES = {"auto", "low", "medium", "high"}
GRIDS = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}  # 2.5 and 2.6
OLDER_GRIDS = {"low": 16, "medium": 48, "high": 96}  # 2
RATES = {"gpt-image-2": (5, 8, 30), "gpt-image-1-mini": (2, Decimal("2.5"), 8)}
"""USD a million tokens of text going in, of pictures going in, and coming out, by how a model's id begins."""
OTHERS = (5, 8, 32)
TOKENS = {"low": 272, "medium": 1056, "high": 4160}  # 1 at 1024x1024


def trouble(status: int, code: str | None, message: str, param: str | None = None, **headers: str) -> Answer:
    """The vendor's error body; usable as a scripted fault as well."""
    kind = {429: "requests", 500: "server_error"}.get(status, "invalid_request_error")
    kind = "image_generation_user_error" if code == "moderation_blocked" else kind
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return Answer(status, body, {"x-request-id": "req_trouble", **dashed(headers)})


STREAM_ERROR = Answer(
    200,
    b'event: error\ndata: {"type": "error", "error": {"code": "moderation_blocked", "message": "Blocked midway."}}\n\n',
    {"content-type": "text/event-stream"},
)
MODERATED = trouble(400, "moderation_blocked", "Your request was rejected by the safety system. safety_violations=[x].")
RATE_LIMITED = trouble(429, "rate_limit_exceeded", "Rate limit reached for images.", retry_after="0")
NO_QUOTA = trouble(429, "insufficient_quota", "You exceeded your current quota.")
BROKEN_SERVER = trouble(500, None, "The server had an error while processing your request.")
BROKEN_JSON = Answer(200, b'{"created": 1, "data": [{"b64_json": "iVBORw0K')


def check(body: dict[str, Any]) -> None:
    """Every rule that the vendor holds a generation to."""

    def refuse(param: str, message: str, code: str = "invalid_value") -> None:
        raise RefusedError(trouble(400, code, message, param))

    for name in body:
        if name not in FIELDS:
            refuse(name, f"Unknown parameter: '{name}'.", "unknown_parameter")
    model, prompt, n = body.get("model"), body.get("prompt"), body.get("n", 1)
    if model not in FREE + FIXED:
        words = f"The model '{model}' does not exist or you lack access to it."
        raise RefusedError(trouble(404, "model_not_found", words))
    if not isinstance(prompt, str) or not prompt:
        refuse("prompt", "Missing required parameter: 'prompt'.", "missing_required_parameter")
    elif len(prompt) > 32_000:
        refuse("prompt", "The prompt is too long.", "string_above_max_length")
    if not isinstance(n, int) or not 1 <= n <= 10:
        refuse("n", "n must be between 1 and 10.")
    if not size_is_allowed(str(body.get("size", "auto")), model in FREE):
        refuse("size", f"Invalid size '{body['size']}'.")
    new = str(model).startswith(("gpt-image-2.5", "gpt-image-2.6"))
    if body.get("quality", "auto") not in (NEW_QUALITIES if new else OLD_QUALITIES):
        refuse("quality", f"Invalid quality '{body['quality']}'.")
    if body.get("background", "auto") not in ("auto", "opaque", "transparent"):
        refuse("background", "Invalid background.")
    if body.get("output_format", "png") not in ("png", "jpeg", "webp"):
        refuse("output_format", "Invalid output_format.")
    if body.get("background") == "transparent" and body.get("output_format") == "jpeg":
        refuse("background", "Transparent background is not supported for jpeg.")
    if not 0 <= body.get("partial_images", 0) <= 3 or ("partial_images" in body and not body.get("stream")):
        refuse("partial_images", "partial_images must be 0 to 3, of a stream.")
    if body.get("moderation", "auto") not in ("auto", "low"):
        refuse("moderation", "Invalid moderation.")
    if "complexity" in body and not str(model).startswith("gpt-image-2.6"):
        refuse("complexity", "Unknown parameter: 'complexity'.", "unknown_parameter")
    if "output_compression" in body and body.get("output_format", "png") == "png":
        refuse("output_compression", "Compression is only supported for jpeg and webp.")


def size_is_allowed(size: str, free: bool) -> bool:
    """auto, the three classic sizes, or WxH within the bounds of the newer models."""
    if size in ("auto", "1024x1024", "1024x1536", "1536x1024"):
        return True
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    if not found or not free:
        return False
    w, h = int(found[1]), int(found[2])
    inside = 655_360 <= w * h <= 8_294_400 and max(w, h) <= 3840
    return w % 16 == h % 16 == 0 and inside and max(w, h) <= 3 * min(w, h)


@cache
def drawn(size: str, format: str, transparent: bool) -> bytes:
    """A real picture of that size."""
    w, h = (1024, 1024) if size == "auto" else (int(edge) for edge in size.split("x"))
    image = Image.radial_gradient("L").transform((w, h), Image.Transform.EXTENT, (0, 0, 256, 256)).convert("RGBA")
    image = Image.new("RGBA", (w, h)) if transparent else image.convert("RGB")
    return encoded(image, format)


def tokens_of(model: str, quality: str, size: str, n: int) -> int:
    """What the vendor counts for `n` pictures, as its calculator does; for the first models about."""
    w, h = (int(edge) for edge in size.split("x"))
    if model in FIXED or not model.startswith("gpt-image-2"):
        return TOKENS.get(quality, 1056) * n * (3 if w != h else 2) // 2
    grid = (GRIDS if "2." in model else OLDER_GRIDS)[quality]
    other = (Fraction(grid * min(w, h), max(w, h)) + Fraction(1, 2)).__floor__()
    return ceil(Fraction(n * grid * other * (2_000_000 + w * h), 4_000_000))


async def event_stream(events: list[dict[str, Any]]) -> AsyncGenerator[bytes]:
    """Events as they leave the vendor, one after the other."""
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        await anyio.sleep(0.02)
