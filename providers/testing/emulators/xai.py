"""api.x.ai as far as pictures go: POST /v1/images/generations, POST /v1/images/edits, GET /v1/image-generation-models.

Facts: the vendor's SDK 1.21 and docs as of 2026-11-20, and refusals as users reported them in 2026. As lenient as the
vendor where that costs money: what it does not know it drops, bills, and notes in `dropped`.
"""

from __future__ import annotations

import base64
import itertools
import json
from decimal import Decimal
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from atelier.providers.testing.emulators.xai_rules import (
    BAD_KEY,
    FIELDS,
    FIRST,
    KEY,
    LATEST,
    REDIRECTED,
    TICKS,
    check,
    drawn,
    refuse,
    sources_of,
)
from atelier.providers.testing.server import Bill, Emulator, RefusedError


class XAI(Emulator):
    """The emulator. `url` ends in /v1, as clients expect it. What can be set before a call:

    withheld       how many pictures of each answer fall to moderation
    always_links   answer with links even where base64 was requested
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
        super().__init__(routes)
        self.reset()

    def reset(self) -> None:
        """As if just begun: nothing seen, nothing scripted, nothing set."""
        self.clear()
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

    async def _checked_body(self, request: Request) -> dict[str, Any]:
        self._greet(request)
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise refuse("Expected request with `Content-Type: application/json`.", "415", 415)
        body = json.loads(await request.body())
        check(body)
        return body

    async def generations(self, request: Request) -> Response:
        """POST /images/generations; `image` is dropped like anything else that is unknown here"""
        body = await self._checked_body(request)
        self.dropped += [name for name in body if name not in FIELDS]
        return self._answer(body, "low", 1.0, 0)

    async def edits(self, request: Request) -> Response:
        """POST /images/edits; the shape follows the first source"""
        body = await self._checked_body(request)
        self.sources = sources_of(body)
        self.dropped += [name for name in body if name not in FIELDS | {"image", "images"}]
        first = self.sources[0]
        return self._answer(body, "medium", first.width / first.height, len(self.sources))

    def _answer(self, body: dict[str, Any], auto: str, ratio: float, sources: int) -> Response:
        model, n, resolution = body["model"], body.get("n", 1), body.get("resolution", "1k")
        quality_given = body.get("quality", "auto")
        quality = "low" if model in REDIRECTED else auto if quality_given == "auto" else quality_given
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
        """The picture itself, to anyone with the link; a request with a key is refused"""
        data = self.pictures.get(request.path_params["name"])
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidArgument</Code></Error>", 400, media_type="application/xml")
        if self.expired or data is None:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404, media_type="application/xml")
        return Response(data, media_type="image/jpeg")

    async def models(self, request: Request) -> Response:
        """GET /image-generation-models"""
        self._greet(request)
        return JSONResponse({"models": [{"id": model, "object": "model"} for model in (LATEST, FIRST[0])]})
