"""Sketch: POST /draw with JSON, answered in this process; offline, free, and always labelled as a sketch.

The same prompt, size and
seed give the same pixels; the default seed is 0, and image k of a call has seed + k.
"""

from __future__ import annotations

import base64
import io
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import VendorModel, base64_bytes, parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply

if TYPE_CHECKING:
    from PIL import Image


class Order(VendorModel):
    """The body of the request. Images are base64; the mask is white where the source changes."""

    prompt: str
    width: int = 1024
    height: int = 1024
    n: int = 1
    seed: int = 0
    transparent: bool = False
    format: str = "png"
    quality: int | None = None
    source: str | None = None
    mask: str | None = None


class Drawing(VendorModel):
    image: str
    seed: int


class Drawings(VendorModel):
    drawings: list[Drawing]


def draw(request: httpx.Request) -> httpx.Response:
    """Answer an order with drawings, as a vendor's server would."""
    order = parse_answer(Order, request.read())
    seeds = [order.seed + k for k in range(order.n)]
    drawn = [Drawing(image=_base64(_encoded(_drawn(order, seed), order)), seed=seed) for seed in seeds]
    return httpx.Response(200, json=Drawings(drawings=drawn).model_dump())


ENDPOINT = Endpoint(base_url="https://sketch.invalid", transport=draw)  # .invalid resolves nowhere (RFC 6761)


def prepare(job: Job) -> httpx.Request:
    """Build the order. An option that the caller left out is not sent."""
    request = job.request
    body: dict[str, Any] = {
        "prompt": request.prompt,
        "width": job.size[0] if job.size else None,
        "height": job.size[1] if job.size else None,
        "n": request.count if request.count > 1 else None,
        "seed": request.seed,
        "transparent": True if request.background == "transparent" else None,
        "format": request.output_format,
        "quality": request.compression,
        "source": _base64(request.sources[0].image_bytes) if request.sources else None,
        "mask": _base64(request.mask.image_bytes) if request.mask else None,
    }
    present = {name: value for name, value in body.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/draw", json=present)


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return the drawings, which cost nothing."""
    answer = parse_answer(Drawings, response.content)
    pictures = tuple(picture(base64_bytes(drawing.image), seed=drawing.seed) for drawing in answer.drawings)
    return Reply(pictures=pictures, cost_usd=Decimal(0))


def explain(response: httpx.Response) -> ImageError:
    """Explain a failure of the drawing code, which draws every request that the gates pass."""
    return ImageError(Reason.INTERNAL, f"The sketch failed with {response.status_code}.")


def _drawn(order: Order, seed: int) -> Image.Image:
    """Return a new drawing, or the source changed inside the mask, or everywhere without a mask."""
    from PIL import Image

    from atelier.providers.vendors.sketch.lettering import letter
    from atelier.providers.vendors.sketch.scenes import paint, palette_of

    *_, light, _, near = palette_of(order.prompt)
    if order.source is None:
        scene = paint(order.prompt, order.width, order.height, seed, transparent=order.transparent)
        return letter(scene, order.prompt, near, light)
    base = Image.open(io.BytesIO(base64_bytes(order.source))).convert("RGBA")
    scene = letter(paint(order.prompt, *base.size, seed), order.prompt, near, light)
    if order.mask is None:
        return letter(Image.blend(base, scene, 0.45), order.prompt, near, light)
    change = Image.open(io.BytesIO(base64_bytes(order.mask))).convert("L")
    return Image.composite(scene, base, change)


def _encoded(image: Image.Image, order: Order) -> bytes:
    opaque = order.format == "jpeg" or image.getchannel("A").getextrema() == (255, 255)
    flat, out = image.convert("RGB") if opaque else image, io.BytesIO()
    if order.format == "png":
        flat.save(out, "PNG", optimize=True)
    else:
        flat.save(out, order.format.upper(), quality=90 if order.quality is None else order.quality)
    return out.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
