"""api.openai.com as far as pictures go, as strict as the vendor: generations, edits, variations (off by default,
as the vendor switched them off), event streams, and the list of models.

Facts: the vendor's SDK 3.52 and docs as of 2026-11-20.
"""

from __future__ import annotations

import base64
import io
import json
from decimal import Decimal
from math import ceil
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from atelier.providers.testing.emulators.openai_rules import (
    FIXED,
    FREE,
    GRIDS,
    KEY,
    OTHERS,
    RATES,
    check,
    drawn,
    event_stream,
    tokens_of,
    trouble,
)
from atelier.providers.testing.server import Bill, Emulator, RefusedError


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
        super().__init__(self.routes())

    def routes(self) -> list[Route]:
        """The paths and their answers."""
        return [
            Route("/v1/images/generations", self.generations, methods=["POST"]),
            Route("/v1/images/edits", self.edits, methods=["POST"]),
            Route("/v1/images/variations", self.variations, methods=["POST"]),
            Route("/v1/models", self.models, methods=["GET"]),
            Route("/v1/links/{number:int}", self.link, methods=["GET"]),
        ]

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
        self._greet(request)
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise RefusedError(trouble(400, None, "The request body must be JSON."))
        body = json.loads(await request.body())
        self._check(body)
        return self._drawn(body, "image_generation")

    async def edits(self, request: Request) -> Response:
        """POST /images/edits, as a form"""
        self._greet(request)
        body = await self._form(request, {"image", "image[]", "mask"})
        self._check(body)
        return self._drawn(body, "image_edit")

    async def variations(self, request: Request) -> Response:
        """POST /images/variations, which only older hosts still serve"""
        self._greet(request)
        if not self.older:
            raise RefusedError(trouble(404, None, "This endpoint is no longer available."))
        body = await self._form(request, {"image"})
        if unknown := set(body) - {"model", "n", "size", "response_format", "user"}:
            raise RefusedError(trouble(400, "unknown_parameter", f"Unknown parameter: '{unknown.pop()}'."))
        return self._drawn(body, "variation")

    def _check(self, body: dict[str, Any]) -> None:
        if self.older and str(body.get("model")).startswith("dall-e"):
            if body.get("response_format") not in ("b64_json", "url"):
                raise RefusedError(trouble(400, "invalid_value", "Invalid value for 'response_format'."))
            return
        check(body)

    async def _form(self, request: Request, files: set[str]) -> dict[str, Any]:
        """The fields of a form as the vendor reads them; the pictures are checked and recorded for tests."""
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
            return StreamingResponse(event_stream(events), media_type="text/event-stream", headers=headers)
        count = n if self.delivered is None else self.delivered
        linked = self.links or body.get("response_format") == "url"
        data = [self._link(picture) if linked else {"b64_json": picture} for _ in range(count)]
        return JSONResponse({"created": 1795132800, **about, "data": data, "usage": usage}, headers=headers)

    def _link(self, picture: str) -> dict[str, str]:
        self._linked.append(base64.b64decode(picture))
        return {"url": f"links/{len(self._linked) - 1}"}

    async def link(self, request: Request) -> Response:
        """GET links/{number}: a picture, to anyone with the link"""
        if "authorization" in request.headers:
            return Response("A key has no business here.", 400)
        return Response(self._linked[request.path_params["number"]], media_type="image/png")

    async def models(self, request: Request) -> Response:
        """GET /models, with the date at which a model is switched off"""
        self._greet(request)
        ends = dict.fromkeys(FIXED, "2026-12-01")
        rows = [
            {"id": model, "object": "model", "created": 0, "owned_by": "openai", "shutdown_date": ends.get(model)}
            for model in FREE + FIXED
        ]
        return JSONResponse({"object": "list", "data": rows})
