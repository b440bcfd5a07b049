"""What api.x.ai accepts and refuses: the rules of its emulator, and its answers for each failure."""

from __future__ import annotations

import base64
import binascii
import io
import math
from functools import cache
from typing import Any

from PIL import Image

from atelier.providers.testing.images import plain
from atelier.providers.testing.server import Answer, RefusedError, dashed

KEY = "xai-emulated-0123456789abcdef"
LATEST = "grok-imagine-image-2.0"
FIRST = ("grok-imagine-image", "grok-imagine-image-2026-03-02")
REDIRECTED = (
    "grok-imagine-image-quality",
    "grok-imagine-image-quality-20260403",
    "grok-imagine-image-quality-latest",
    "grok-imagine-image-pro",
)
FIELDS = {
    "model", "prompt", "n", "aspect_ratio", "resolution", "quality", "response_format", "user",
    "image_format", "storage_options",
}  # fmt: skip
RATIOS = ["auto", "1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "1:2", "2:1", "9:20", "20:9", "9:19.5", "19.5:9"]
WIDER = ["21:9", "5:2"]
MAX_SOURCE_BYTES = 10 * 2**20
LONGEST_PROMPT = 8000  # not published; resellers state it
TICKS = {("low", "1k"): 400, ("low", "2k"): 600, ("medium", "1k"): 600, ("medium", "2k"): 800}  # millions, of 2.0


def trouble(status: int, code: str, message: str, *, ticks: int | None = None, **headers: str) -> Answer:
    """The vendor's own shape of an error; usable as a scripted fault as well."""
    usage = {"usage": {"cost_in_usd_ticks": ticks}} if ticks is not None else {}
    return Answer(status, {"code": code, "error": message, **usage}, _headers(headers))


def nested(status: int, code: str | None, message: str, **headers: str) -> Answer:
    """The other shape, as OpenAI has it."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    return Answer(status, body, _headers(headers))


def _headers(headers: dict[str, str]) -> dict[str, str]:
    return {"x-request-id": "req_trouble", **dashed(headers)}


INVALID = "Client specified an invalid argument"
DENIED = "The caller does not have permission to execute the specified operation"
EXHAUSTED = "Some resource has been exhausted"

MODERATED = trouble(400, INVALID, "Generated image rejected by content moderation.", ticks=200_000_000)
MODERATED_BY_CODE = trouble(400, "imagine:content-moderated", "Generated image rejected.", ticks=200_000_000)
MODERATED_FREE = nested(400, "moderation", "The prompt was rejected by content moderation.")
BAD_KEY = trouble(400, INVALID, "Incorrect API key provided: xa***ef. You can obtain an API key from console.x.ai.")
BLOCKED_KEY = trouble(403, DENIED, "Your API key is blocked.")
NO_CREDITS = trouble(403, DENIED, "Your newly created team doesn't have any credits or licenses yet.")
SPENT = trouble(429, EXHAUSTED, "Your team has used all available credits or reached its monthly spending limit.")
RATE_LIMITED = trouble(429, EXHAUSTED, "Too many requests per minute for this team.", retry_after="0")
BROKEN_SERVER = trouble(500, "Internal error", "The service failed.")
OVERLOADED = trouble(503, "The service is currently unavailable", "The model is at capacity.")
BROKEN_JSON = Answer(200, b'{"model": "grok-imagine-image-2.0", "data": [{"b64_json": "/9j/4AAQ')


def withheld(*items: dict[str, Any], ticks: int | None = None) -> Answer:
    """A 200 that bears no picture: no item at all, or items whose moderation flag is down."""
    usage = {"usage": {"cost_in_usd_ticks": ticks}} if ticks is not None else {}
    return Answer(200, {"model": LATEST, "data": list(items), **usage}, {"x-request-id": "req_withheld"})


def refuse(message: str, code: str = INVALID, status: int = 400) -> RefusedError:
    return RefusedError(trouble(status, code, message))


def check(body: dict[str, Any]) -> None:
    """The rules that the vendor holds either call to."""
    model, prompt, latest = body.get("model"), body.get("prompt"), body.get("model") == LATEST
    if model not in (LATEST, *FIRST, *REDIRECTED):
        raise refuse(f"The model {model} does not exist or your team does not have access to it.", "not-found", 404)
    if not isinstance(prompt, str) or not prompt:
        raise refuse("Failed to deserialize the JSON body: missing field `prompt`.", INVALID, 422)
    if len(prompt) > LONGEST_PROMPT:
        raise refuse(f"Prompt length is larger than the maximum allowed length which is {LONGEST_PROMPT}.")
    for name in ("size", "style", *(() if latest else ("quality",))):
        if name in body:
            raise refuse(f"Argument not supported: {name}", "400")
    n = body.get("n", 1)
    if not isinstance(n, int) or not 1 <= n <= 10:
        raise refuse("n must be between 1 and 10.")
    for name, offered in (
        ("aspect_ratio", RATIOS + (WIDER if latest else [])),
        ("resolution", ["1k", "2k"]),
        ("quality", ["auto", "low", "medium"]),
        ("response_format", ["url", "b64_json"]),
    ):
        if name in body and body[name] not in offered:
            raise refuse(f"Invalid {name}: {body[name]}.")


def sources_of(body: dict[str, Any]) -> list[Image.Image]:
    """The pictures of an edit: `image` or `images`, each an object with a data URL."""
    if ("image" in body) == ("images" in body):
        raise refuse("Exactly one of image and images must be given.")
    given = body["images"] if "images" in body else [body["image"]]
    maximum = 5 if body["model"] == LATEST else 3
    if not 1 <= len(given) <= maximum:
        raise refuse(f"At most {maximum} source images are supported.")
    return [_source(entry) for entry in given]


def _source(entry: Any) -> Image.Image:
    try:
        url, kind = entry["url"], entry["type"]
    except (TypeError, KeyError):
        raise refuse("An image must be an object with url and type.", status=422) from None
    stated, _, text = url.partition(";base64,")
    if kind != "image_url" or stated not in ("data:image/png", "data:image/jpeg", "data:image/webp"):
        raise refuse("The image could not be fetched.")
    try:
        data = base64.b64decode(text, validate=True)
        image = Image.open(io.BytesIO(data))
        image.load()
    except (binascii.Error, OSError):
        raise refuse("The image could not be decoded.") from None
    if len(data) > MAX_SOURCE_BYTES:
        raise refuse("The image is larger than 10 MiB.")
    if stated != f"data:image/{(image.format or '').lower()}":
        raise refuse("The image is not of the stated type.")
    return image


@cache
def drawn(ratio: float, resolution: str) -> bytes:
    """A real JPEG of that shape, whatever else was requested."""
    edge = {"1k": 1024, "2k": 2048}[resolution]
    width, height = (round(edge * side / 16) * 16 for side in (math.sqrt(ratio), 1 / math.sqrt(ratio)))
    return plain((width, height), "JPEG", "olive")
