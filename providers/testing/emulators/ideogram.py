"""api.ideogram.ai as far as images go: POST /v1/{model}/{endpoint}. It refuses what it does not know.

Facts: copies of the vendor's docs of 2026. There is no official client in Python, so plain HTTP proves it.
"""

from __future__ import annotations

import io
import itertools
from decimal import Decimal

from PIL import Image
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.images import plain, shape
from atelier.providers.testing.server import Answer, Bill, Emulator, RefusedError, dashed

KEY = "ideogram-emulated-0123456789abcdef"
SHARED = {"seed", "rendering_speed", "style_type", "num_images", "magic_prompt"}
FIELDS: dict[tuple[str, str], set[str]] = {
    ("ideogram-v3", "generate"): SHARED | {"prompt", "negative_prompt", "aspect_ratio"},
    ("ideogram-v3", "remix"): SHARED | {"prompt", "negative_prompt", "aspect_ratio", "image_weight"},
    ("ideogram-v3", "inpaint"): SHARED | {"prompt"},
    ("ideogram-v3", "replace-background"): SHARED | {"prompt"},
    ("ideogram-v4", "generate"): {"text_prompt", "rendering_speed"},
}
FILES = {"remix": {"image"}, "replace-background": {"image"}, "inpaint": {"image", "mask"}}
WORDS = {
    "rendering_speed": {"TURBO", "DEFAULT", "QUALITY"},
    "style_type": {"AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"},
    "magic_prompt": {"AUTO", "ON", "OFF"},
    "aspect_ratio": {
        f"{a}x{b}"
        for a, b in (
            *((1, 1), (16, 9), (9, 16), (4, 3), (3, 4), (3, 2), (2, 3), (16, 10), (10, 16)),
            *((5, 4), (4, 5), (2, 1), (1, 2), (3, 1), (1, 3)),
        )
    },
}
LIMITS = (("seed", 0, 2**31 - 1), ("num_images", 1, 8), ("image_weight", 1, 100))
USD = {"TURBO": Decimal("0.03"), "DEFAULT": Decimal("0.06")}
QUALITY_USD = {"ideogram-v3": Decimal("0.09"), "ideogram-v4": Decimal("0.10")}


def trouble(status: int, words: str, **headers: str) -> Answer:
    """The vendor's error body; usable as a scripted fault as well."""
    return Answer(status, {"error": words}, dashed(headers))


def refuse(words: str) -> RefusedError:
    return RefusedError(trouble(400, words))


class Ideogram(Emulator):
    """The emulator. `changed` is what share of the last mask marks for a change."""

    def __init__(self, key: str = KEY) -> None:
        self.key, self.images, self.numbers = key, dict[str, bytes](), itertools.count(1)
        self.changed: float | None = None
        routes = [
            Route("/v1/{model}/{endpoint}", self.make, methods=["POST"]),
            Route("/images/{name}", self.image),
        ]
        super().__init__(routes)

    async def make(self, request: Request) -> Response:
        """POST /v1/{model}/{endpoint}"""
        if request.headers.get("api-key") != self.key:
            return trouble(401, "Invalid API key").response()
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return trouble(415, "Expected multipart/form-data").response()
        model, endpoint = request.path_params["model"], request.path_params["endpoint"]
        if (model, endpoint) not in FIELDS:
            return trouble(404, "Not found").response()
        async with request.form() as form:
            fields = checked(form, model, endpoint)
            await self.look_at_files(form)
        count, speed = int(fields.get("num_images", 1)), fields.get("rendering_speed", "DEFAULT")
        self.billed.append(Bill(USD.get(speed, QUALITY_USD[model]) * count, count))
        made = [self.made(fields) for _ in range(count)]
        return JSONResponse({"created": "2026-11-29", "data": made}, headers={"x-request-id": "ideo_1"})

    async def look_at_files(self, form: FormData) -> None:
        """Decode the source and the mask. Black in the mask is what changes."""
        sizes = set[tuple[int, int]]()
        for name, file in form.multi_items():
            if isinstance(file, UploadFile):
                with Image.open(io.BytesIO(await file.read())) as image:
                    sizes.add(image.size)
                    if name == "mask":
                        histogram = image.convert("L").histogram()
                        self.changed = sum(histogram[:128]) / sum(histogram)
        if len(sizes) > 1:
            raise refuse("mask: not of the size of the image")

    def made(self, fields: dict[str, str]) -> dict[str, object]:
        """An image behind a link."""
        name = f"{next(self.numbers)}.png"
        self.images[name] = plain(shape(fields.get("aspect_ratio", "1x1"), "x"))
        prompt = fields.get("prompt") or fields["text_prompt"]
        return {"prompt": prompt, "is_image_safe": True, "seed": 7, "url": f"{self.url}/images/{name}"}

    async def image(self, request: Request) -> Response:
        """GET /images/{name}"""
        if request.path_params["name"] not in self.images:
            return Response("gone", 404)
        return Response(self.images[request.path_params["name"]], media_type="image/png")


def checked(form: FormData, model: str, endpoint: str) -> dict[str, str]:
    """The fields of a form that the vendor would take."""
    files = {name for name, value in form.multi_items() if isinstance(value, UploadFile)}
    if files != FILES.get(endpoint, set()):
        raise refuse("image, mask: missing or unexpected")
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    if unknown := set(fields) - FIELDS[model, endpoint]:
        raise refuse(f"{min(unknown)}: unknown field")
    if not (fields.get("prompt") or fields.get("text_prompt")):
        raise refuse("prompt: missing")
    for name, words in WORDS.items():
        if fields.get(name, min(words)) not in words:
            raise refuse(f"{name}: invalid")
    for name, low, high in LIMITS:
        if not low <= int(fields.get(name, low)) <= high:
            raise refuse(f"{name}: out of range")
    return fields
