"""api.x.ai as far as pictures go: POST /v1/images/generations, POST /v1/images/edits, GET /v1/image-generation-models.

Facts: the vendor's SDK 1.21 and docs as of 2026-11-20, and refusals as users reported them in 2026. As lenient as the
vendor where that costs money: what it does not know it drops, bills, and notes in `dropped`.
"""

from __future__ import annotations

import base64
import binascii
import io
import itertools
import json
import math
from decimal import Decimal
from functools import cache
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from atelier.providers.testing.server import Answer, Bill, Emulator

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
LARGEST_SOURCE = 10 * 2**20
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
    return {"x-request-id": "req_trouble", **{name.replace("_", "-"): value for name, value in headers.items()}}


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


class RefusedError(Exception):
    """Raised while a request is checked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


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
    most = 5 if body["model"] == LATEST else 3
    if not 1 <= len(given) <= most:
        raise refuse(f"At most {most} source images are supported.")
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
    if len(data) > LARGEST_SOURCE:
        raise refuse("The image is larger than 10 MiB.")
    if stated != f"data:image/{(image.format or '').lower()}":
        raise refuse("The image is not of the stated type.")
    return image


@cache
def drawn(ratio: float, resolution: str) -> bytes:
    """A real JPEG of that shape, whatever else was asked."""
    edge = {"1k": 1024, "2k": 2048}[resolution]
    width, height = (round(edge * side / 16) * 16 for side in (math.sqrt(ratio), 1 / math.sqrt(ratio)))
    out = io.BytesIO()
    Image.new("RGB", (width, height), "olive").save(out, "JPEG")
    return out.getvalue()


class XAI(Emulator):
    """The emulator. `url` ends in /v1, as clients expect it. What can be set before a call:

    withheld       how many pictures of each answer fall to moderation
    always_links   answer with links even where base64 was asked for
    prefixed       base64 as a data URL, as older docs have it
    redirect       where a link leads to first
    expired        links are dead
    """

    def __init__(self, key: str = KEY) -> None:
        self.key = key
        routes = [
            Route("/v1/images/generations", self.generations, methods=["POST"]),
            Route("/v1/images/edits", self.edits, methods=["POST"]),
            Route("/v1/image-generation-models", self.models, methods=["GET"]),
            Route("/links/{name}", self.link, methods=["GET"]),
            Route("/pictures/{name}", self.picture, methods=["GET"]),
        ]
        super().__init__(Starlette(routes=routes))
        self.reset()

    def reset(self) -> None:
        """As if just begun: nothing seen, nothing scripted, nothing set."""
        self.requests.clear()
        self.script.clear()
        self.billed.clear()
        self.withheld = 0
        self.always_links = self.prefixed = self.expired = False
        self.redirect: str | None = None
        self.dropped: list[str] = []
        self.sources: list[Image.Image] = []
        self.pictures: dict[str, bytes] = {}
        self._numbers = itertools.count(1)

    @property
    def root(self) -> str:
        """Where the pictures are; the vendor has a host of its own for them."""
        return super().url

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.root}/v1"

    def _greet(self, request: Request) -> None:
        shown = request.headers.get("authorization")
        if shown is None:
            raise refuse("No credentials provided.", "unauthenticated:no-credentials", 401)
        if shown != f"Bearer {self.key}":
            raise RefusedError(BAD_KEY)

    async def _asked(self, request: Request) -> dict[str, Any]:
        self._greet(request)
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise refuse("Expected request with `Content-Type: application/json`.", "415", 415)
        body = json.loads(await request.body())
        check(body)
        return body

    async def generations(self, request: Request) -> Response:
        """POST /images/generations; `image` is dropped like anything else that is unknown here"""
        try:
            body = await self._asked(request)
        except RefusedError as refused:
            return _said(refused.answer)
        self.dropped += [name for name in body if name not in FIELDS]
        return self._answer(body, "low", 1.0, 0)

    async def edits(self, request: Request) -> Response:
        """POST /images/edits; the shape follows the first source"""
        try:
            body = await self._asked(request)
            self.sources = sources_of(body)
        except RefusedError as refused:
            return _said(refused.answer)
        self.dropped += [name for name in body if name not in FIELDS | {"image", "images"}]
        first = self.sources[0]
        return self._answer(body, "medium", first.width / first.height, len(self.sources))

    def _answer(self, body: dict[str, Any], auto: str, ratio: float, sources: int) -> Response:
        model, n, resolution = body["model"], body.get("n", 1), body.get("resolution", "1k")
        asked = body.get("quality", "auto")
        quality = "low" if model in REDIRECTED else auto if asked == "auto" else asked
        first = model in FIRST
        each = 200_000_000 if first else TICKS[quality, resolution] * 1_000_000
        shape = body.get("aspect_ratio", "auto")
        if shape != "auto":
            width, height = map(float, shape.split(":"))
            ratio = width / height
        picture = drawn(ratio, resolution)
        linked = self.always_links or body.get("response_format", "url") == "url"
        items = [self._item(picture, linked, withheld=i < self.withheld) for i in range(n)]
        ticks = each * n + sources * (20_000_000 if first else 100_000_000)
        self.billed.append(Bill(Decimal(ticks).scaleb(-10), n))
        return JSONResponse(
            {"model": model if first else LATEST, "data": items, "usage": {"cost_in_usd_ticks": ticks}},
            headers={"x-request-id": "req_emulated_1"},
        )

    def _item(self, picture: bytes, linked: bool, *, withheld: bool) -> dict[str, Any]:
        item: dict[str, Any] = {"mime_type": "image/jpeg", "respect_moderation": not withheld, "revised_prompt": ""}
        if withheld:
            return {**item, "url" if linked else "b64_json": ""}
        if not linked:
            prefix = "data:image/jpeg;base64," if self.prefixed else ""
            return {**item, "b64_json": prefix + base64.b64encode(picture).decode()}
        name = f"{next(self._numbers)}.jpeg"
        self.pictures[name] = picture
        return {**item, "url": f"{self.root}/links/{name}"}

    async def link(self, request: Request) -> Response:
        """A picture's link, which redirects if so set"""
        if self.redirect is not None:
            return RedirectResponse(self.redirect.replace("{name}", request.path_params["name"]), 302)
        return await self.picture(request)

    async def picture(self, request: Request) -> Response:
        """The picture itself, to anyone who has the link; whoever shows a key is refused"""
        data = self.pictures.get(request.path_params["name"])
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidArgument</Code></Error>", 400, media_type="application/xml")
        if self.expired or data is None:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404, media_type="application/xml")
        return Response(data, media_type="image/jpeg")

    async def models(self, request: Request) -> Response:
        """GET /image-generation-models"""
        try:
            self._greet(request)
        except RefusedError as refused:
            return _said(refused.answer)
        return JSONResponse({"models": [{"id": model, "object": "model"} for model in (LATEST, FIRST[0])]})


def _said(answer: Answer) -> Response:
    return JSONResponse(answer.body, answer.status, answer.headers)
