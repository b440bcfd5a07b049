"""external.api.recraft.ai as far as images go: POST /v1/images/{endpoint}. It refuses what it does not know.

Facts: the vendor's OpenAPI copy and docs of 2026. OpenAI's client, which the vendor's docs use, proves generations.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
from decimal import Decimal
from typing import Any

from PIL import Image
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from atelier.providers.testing.images import plain
from atelier.providers.testing.server import Answer, Bill, Emulator, RefusedError, dashed

KEY = "recraft-emulated-0123456789abcdef"
UNITS = {
    "recraftv4_1": 35, "recraftv4_1_pro": 210, "recraftv4": 40, "recraftv4_pro": 250, "recraftv3": 40, "recraftv2": 22,
    "removeBackground": 10, "crispUpscale": 4, "creativeUpscale": 250, "eraseRegion": 2,
}  # fmt: skip
SHARED = {"response_format", "image_format", "random_seed"}
MADE = SHARED | {"model", "prompt", "n"}
OLDER = {"style", "substyle", "style_id", "negative_prompt"}
FIELDS: dict[str, set[str]] = {
    "generations": MADE | OLDER | {"size"},
    "imageToImage": MADE | OLDER | {"strength"},
    "inpaint": MADE | OLDER,
    "replaceBackground": MADE | OLDER,
    **dict.fromkeys(("removeBackground", "crispUpscale", "creativeUpscale", "eraseRegion"), SHARED),
}
FILES = {
    "imageToImage": {"image"}, "inpaint": {"image", "mask"}, "replaceBackground": {"image"},
    "removeBackground": {"file"}, "crispUpscale": {"file"}, "creativeUpscale": {"file"},
    "eraseRegion": {"image", "mask"},
}  # fmt: skip
EDITED = {"imageToImage": {"recraftv4_1", "recraftv3"}, "inpaint": {"recraftv3"}, "replaceBackground": {"recraftv3"}}


def trouble(status: int, code: str, message: str, **headers: str) -> Answer:
    """The vendor's error body; usable as a scripted fault as well."""
    return Answer(status, {"code": code, "message": message}, {"x-recraft-requestid": "rc_trouble", **dashed(headers)})


MODERATED = trouble(400, "content_rejected", "The prompt was rejected by moderation.")
NO_CREDITS = trouble(402, "not_enough_credits", "Not enough credits.")


def refuse(words: str) -> RefusedError:
    return RefusedError(trouble(400, "invalid_request", words))


class Recraft(Emulator):
    """The emulator. `url` ends in /v1. `always_links` as an older host; `redirect` is where a link leads to."""

    def __init__(self, key: str = KEY) -> None:
        self.key, self.images, self.numbers = key, dict[str, bytes](), itertools.count(1)
        self.always_links, self.redirect = False, ""
        routes = [
            Route("/v1/images/{endpoint}", self.make, methods=["POST"]),
            Route("/v1/users/me", self.me),
            Route("/links/{name}", self.link),
            Route("/pictures/{name}", self.picture),
        ]
        super().__init__(routes)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{super().url}/v1"

    def greet(self, request: Request) -> None:
        """Refuse a wrong key."""
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(trouble(401, "unauthorized", "Invalid API token."))

    async def me(self, request: Request) -> Response:
        """GET /v1/users/me"""
        self.greet(request)
        return JSONResponse({"id": "anna", "credits": 1000})

    async def make(self, request: Request) -> Response:
        """POST /v1/images/{endpoint}"""
        self.greet(request)
        endpoint = request.path_params["endpoint"]
        if endpoint not in FIELDS:
            return trouble(404, "not_found", "Not found.").response()
        fields, source = await self.taken(request, endpoint)
        units, count = checked(fields, endpoint), int(fields.get("n", 1))
        self.billed.append(Bill(Decimal(units * count) / 1000, count))
        size = source or parsed(str(fields.get("size", "1024x1024")))
        items = [self.made(size, fields) for _ in range(count)]
        body = {"image": items[0]} if endpoint in UNITS else {"created": 1, "data": items}
        return JSONResponse({**body, "credits": units * count}, headers={"x-recraft-requestid": "rc_1"})

    async def taken(self, request: Request, endpoint: str) -> tuple[dict[str, Any], tuple[int, int] | None]:
        """The fields of a request, and the size of its source."""
        kind = request.headers.get("content-type", "").partition(";")[0]
        if kind != ("multipart/form-data" if endpoint in FILES else "application/json"):
            raise refuse("content-type: unexpected")
        if endpoint not in FILES:
            return json.loads(await request.body()), None
        async with request.form() as form:
            files = {name: value for name, value in form.multi_items() if isinstance(value, UploadFile)}
            if set(files) != FILES[endpoint]:
                raise refuse("image, mask: missing or unexpected")
            sizes = {name: Image.open(io.BytesIO(await file.read())).size for name, file in files.items()}
            if len(set(sizes.values())) > 1:
                raise refuse("mask: not of the size of the image")
            size = next(iter(sizes.values()))
            if not 256 <= min(size) <= max(size) <= 4096:
                raise refuse("image: too small or too large")
            return {name: value for name, value in form.multi_items() if isinstance(value, str)}, size

    def made(self, size: tuple[int, int], fields: dict[str, Any]) -> dict[str, Any]:
        """An image as base64 or behind a link."""
        kind = fields.get("image_format", "webp")
        image = plain(size, kind)
        name = f"{next(self.numbers)}.{kind}"
        if fields.get("response_format", "url") == "b64_json" and not self.always_links:
            return {"image_id": name, "b64_json": base64.b64encode(image).decode()}
        self.images[name] = image
        return {"image_id": name, "url": f"{super().url}/links/{name}"}

    async def link(self, request: Request) -> Response:
        """GET /links/{name}"""
        name = request.path_params["name"]
        return RedirectResponse(self.redirect.format(name=name) or f"{super().url}/pictures/{name}")

    async def picture(self, request: Request) -> Response:
        """GET /pictures/{name}"""
        name = request.path_params["name"]
        return Response(self.images[name]) if name in self.images else Response("gone", 404)


def parsed(size: str) -> tuple[int, int]:
    """WxH or a ratio, as pixels."""
    for sign, factor in (("x", 1), (":", 64)):
        if sign in size:
            width, height = (int(part) * factor for part in size.split(sign))
            return width, height
    raise refuse("size: invalid")


def checked(fields: dict[str, Any], endpoint: str) -> int:
    """The API units of one image, if the vendor would take the fields."""
    if unknown := set(fields) - FIELDS[endpoint]:
        raise refuse(f"{min(unknown)}: unknown field")
    model = fields.get("model", "recraftv4_1")
    if fields.get("image_format", "png") not in ("png", "webp"):
        raise refuse("image_format: invalid")
    if endpoint in UNITS:
        return UNITS[endpoint]
    if model not in UNITS or model not in EDITED.get(endpoint, {model}):
        raise refuse("model: invalid")
    if not fields.get("prompt") or len(fields["prompt"]) > (10_000 if "v4" in model else 1_000):
        raise refuse("prompt: missing or too long")
    if "v4" in model and set(fields) & OLDER:
        raise refuse("style, negative_prompt: not of this model")
    if endpoint == "imageToImage" and not 0 <= float(fields.get("strength", -1)) <= 1:
        raise refuse("strength: missing or out of range")
    if not 1 <= int(fields.get("n", 1)) <= 6:
        raise refuse("n: out of range")
    return UNITS[model]
