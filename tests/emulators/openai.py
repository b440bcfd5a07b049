"""api.openai.com as far as pictures go, as strict as the vendor: generations, edits, variations (off unless asked for,
as the vendor switched them off), event streams, and the list of models.

Facts: the vendor's SDK 3.52 and docs as of 2026-11-20.
"""

from __future__ import annotations

import base64
import io
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
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from atelier.providers.testing.server import Answer, Bill, Emulator

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
    return Answer(status, body, {"x-request-id": "req_trouble", **{k.replace("_", "-"): v for k, v in headers.items()}})


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


class RefusedError(Exception):
    """Raised while a request is checked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


def check(body: dict[str, Any]) -> None:
    """Every rule that the vendor holds a generation to."""

    def refuse(param: str, message: str, code: str = "invalid_value") -> None:
        raise RefusedError(trouble(400, code, message, param))

    for name in body:
        if name not in FIELDS:
            refuse(name, f"Unknown parameter: '{name}'.", "unknown_parameter")
    model, prompt, n = body.get("model"), body.get("prompt"), body.get("n", 1)
    if model not in FREE + FIXED:
        raise RefusedError(
            trouble(404, "model_not_found", f"The model '{model}' does not exist or you lack access to it.")
        )
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
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def tokens_of(model: str, quality: str, size: str, n: int) -> int:
    """What the vendor counts for `n` pictures, as its calculator does; for the first models about."""
    w, h = (int(edge) for edge in size.split("x"))
    if model in FIXED or not model.startswith("gpt-image-2"):
        return TOKENS.get(quality, 1056) * n * (3 if w != h else 2) // 2
    grid = (GRIDS if "2." in model else OLDER_GRIDS)[quality]
    other = (Fraction(grid * min(w, h), max(w, h)) + Fraction(1, 2)).__floor__()
    return ceil(Fraction(n * grid * other * (2_000_000 + w * h), 4_000_000))


async def told(events: list[dict[str, Any]]) -> AsyncGenerator[bytes]:
    """Events as they leave the vendor, one after the other."""
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        await anyio.sleep(0.02)


class OpenAI(Emulator):
    """The emulator. `url` ends in /v1, as the vendor's own clients expect it."""

    def __init__(self, key: str = KEY) -> None:
        self.key = key
        self.delivered: int | None = None
        self.older = False  # a compatible host that still serves DALL-E
        self.links = False  # a compatible host that answers with links relative to its base URL
        self._linked: list[bytes] = []
        self.masks: list[Image.Image] = []
        self.sources: list[list[Image.Image]] = []
        routes = [
            Route("/v1/images/generations", self.generations, methods=["POST"]),
            Route("/v1/images/edits", self.edits, methods=["POST"]),
            Route("/v1/images/variations", self.variations, methods=["POST"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/links/{number:int}", self.link, methods=["GET"]),
        ]
        super().__init__(Starlette(routes=routes))

    def reset(self) -> None:
        """As if just begun."""
        for seen in (self.requests, self.script, self.billed, self.masks, self.sources):
            seen.clear()
        self.links = False

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{super().url}/v1"

    def _greet(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            shown = request.headers.get("authorization", "").removeprefix("Bearer ")
            raise RefusedError(trouble(401, "invalid_api_key", f"Incorrect API key provided: {shown}."))

    async def generations(self, request: Request) -> Response:
        """POST /images/generations"""
        try:
            self._greet(request)
            if not request.headers.get("content-type", "").startswith("application/json"):
                raise RefusedError(trouble(400, None, "The request body must be JSON."))
            body = json.loads(await request.body())
            self._check(body)
        except RefusedError as refused:
            return refused.answer.response()
        return self._drawn(body, "image_generation")

    async def edits(self, request: Request) -> Response:
        """POST /images/edits, as a form"""
        try:
            self._greet(request)
            body = await self._form(request, {"image", "image[]", "mask"})
            self._check(body)
        except RefusedError as refused:
            return refused.answer.response()
        return self._drawn(body, "image_edit")

    async def variations(self, request: Request) -> Response:
        """POST /images/variations, which only older hosts still serve"""
        try:
            self._greet(request)
            if not self.older:
                raise RefusedError(trouble(404, None, "This endpoint is no longer available."))
            body = await self._form(request, {"image"})
            if strange := set(body) - {"model", "n", "size", "response_format", "user"}:
                raise RefusedError(trouble(400, "unknown_parameter", f"Unknown parameter: '{strange.pop()}'."))
        except RefusedError as refused:
            return refused.answer.response()
        return self._drawn(body, "variation")

    def _check(self, body: dict[str, Any]) -> None:
        if self.older and str(body.get("model")).startswith("dall-e"):
            if body.get("response_format") not in ("b64_json", "url"):
                raise RefusedError(trouble(400, "invalid_value", "Invalid value for 'response_format'."))
            return
        check(body)

    async def _form(self, request: Request, files: set[str]) -> dict[str, Any]:
        """The fields of a form as the vendor reads them; the pictures are checked and kept for the tests to see."""
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise RefusedError(trouble(400, None, "The request body must be a form."))
        async with request.form() as form:
            body: dict[str, Any] = {}
            sources, masks = list[Image.Image](), list[Image.Image]()
            for name, value in form.multi_items():
                if isinstance(value, str):
                    body[name] = int(value) if value.isdigit() else value
                    continue
                if name not in files:
                    raise RefusedError(trouble(400, "unknown_parameter", f"Unknown parameter: '{name}'.", name))
                data = await value.read()
                try:
                    image = Image.open(io.BytesIO(data))
                    image.load()
                except OSError:
                    raise RefusedError(trouble(400, "invalid_image_file", "Invalid image file.", name)) from None
                if (image.format or "") not in ("PNG", "JPEG", "WEBP"):
                    raise RefusedError(trouble(400, "invalid_image_file", "Unsupported image format.", name))
                if name == "mask" and ("A" not in image.getbands() or image.format != "PNG" or len(data) > 4 * 2**20):
                    raise RefusedError(trouble(400, "invalid_value", "The mask must be a PNG with alpha.", "mask"))
                (masks if name == "mask" else sources).append(image)
        if not 1 <= len(sources) <= 16:
            raise RefusedError(trouble(400, "missing_required_parameter", "Missing required parameter: 'image'."))
        if masks and masks[0].size != sources[0].size:
            raise RefusedError(trouble(400, "invalid_value", "Mask and image differ in size.", "mask"))
        if "stream" in body:
            if body["stream"] not in ("true", "false"):
                raise RefusedError(trouble(400, "invalid_type", "stream must be a boolean.", "stream"))
            body["stream"] = body["stream"] == "true"
        self.sources.append(sources)
        self.masks += masks
        return body

    def _drawn(self, body: dict[str, Any], kind: str) -> Response:
        """The answer with pictures, as JSON or as a stream of events."""
        format, n = body.get("output_format", "png"), body.get("n", 1)
        size = "1024x1024" if body.get("size", "auto") == "auto" else body["size"]
        quality = "high" if body.get("quality", "auto") not in GRIDS else body["quality"]
        transparent = body.get("background") == "transparent"
        picture = base64.b64encode(drawn(size, format, transparent)).decode()
        output, text = tokens_of(str(body["model"]), quality, size, n), max(1, len(body.get("prompt", "")) // 4)
        output += 100 * body.get("partial_images", 0)
        seen = self.sources[-1] if kind == "image_edit" else []
        given = sum(min(1536, ceil(image.width / 32) * ceil(image.height / 32)) for image in seen)
        about = {
            "background": "transparent" if transparent else "opaque",
            "output_format": format,
            "quality": quality,
            "size": size,
        }
        usage = {
            "input_tokens": text + given,
            "output_tokens": output,
            "total_tokens": text + given + output,
            "input_tokens_details": {"text_tokens": text, "image_tokens": given},
            "output_tokens_details": {"image_tokens": output, "text_tokens": 0},
        }
        rates = next((rates for name, rates in RATES.items() if str(body["model"]).startswith(name)), OTHERS)
        dollars = sum((count * Decimal(rate) for count, rate in zip((text, given, output), rates, strict=True)))
        self.billed.append(Bill(Decimal(dollars) / 1_000_000, n))
        headers = {"x-request-id": "req_emulated_1"}
        if body.get("stream"):
            events = [
                {"type": f"{kind}.partial_image", "b64_json": picture, "partial_image_index": index, **about}
                for index in range(body.get("partial_images", 0))
            ]
            events.append({"type": f"{kind}.completed", "b64_json": picture, "usage": usage, **about})
            return StreamingResponse(told(events), media_type="text/event-stream", headers=headers)
        count = n if self.delivered is None else self.delivered
        linked = self.links or body.get("response_format") == "url"
        data = [self._link(picture) if linked else {"b64_json": picture} for _ in range(count)]
        return JSONResponse({"created": 1795132800, **about, "data": data, "usage": usage}, headers=headers)

    def _link(self, picture: str) -> dict[str, str]:
        self._linked.append(base64.b64decode(picture))
        return {"url": f"links/{len(self._linked) - 1}"}

    async def link(self, request: Request) -> Response:
        """GET links/{number}: a picture, to anyone who has the link"""
        if "authorization" in request.headers:
            return Response("A key has no business here.", 400)
        return Response(self._linked[request.path_params["number"]], media_type="image/png")

    async def models(self, request: Request) -> Response:
        """GET /models, with the date at which a model is switched off"""
        try:
            self._greet(request)
        except RefusedError as refused:
            return refused.answer.response()
        ends = dict.fromkeys(FIXED, "2026-12-01")
        rows = [
            {"id": model, "object": "model", "created": 0, "owned_by": "openai", "shutdown_date": ends.get(model)}
            for model in FREE + FIXED
        ]
        return JSONResponse({"object": "list", "data": rows})
