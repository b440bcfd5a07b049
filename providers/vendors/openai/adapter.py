"""OpenAI: POST /images/generations with JSON, /images/edits and /variations as forms; images come back as base64.

Compatible hosts answer with links as well.
Facts: the vendor's SDK 3.52 and docs as of 2026-11-20. Unknown fields are refused (400 unknown_parameter) and
`response_format` is one of them. A moderated prompt is a 400, never a 200. A mask's alpha 0 marks what changes.
"""

from __future__ import annotations

from datetime import date

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.types import Endpoint, Operation, Picture
from atelier.providers.images.masks import transparent_where_white
from atelier.providers.transport.multipart import multipart
from atelier.providers.transport.vendor_json import VendorModel, parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job
from atelier.providers.vendors.openai.models import DALL_E

ENDPOINT = Endpoint(
    base_url="https://api.openai.com/v1",
    base_url_variable="OPENAI_BASE_URL",
    base_path="/v1",
    key_variables=("OPENAI_API_KEY",),
    key_page="https://platform.openai.com/api-keys",
    trusted_hosts=("api.openai.com",),
    timeout=300.0,  # complex prompts at high quality take minutes
)


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent."""
    request, base = job.request, job.endpoint.base_url
    body = {
        **{name: value for name, value in request.options.items() if name != SAFE_PROMPT},
        "model": job.model.id,
        "prompt": request.prompt or None,
        "n": request.count if request.count > 1 else None,
        "size": f"{job.size[0]}x{job.size[1]}" if job.size else request.size,
        "quality": request.quality,
        "style": request.style,
        "background": request.background,
        "output_format": request.output_format,
        "output_compression": request.compression,
        "response_format": _response_format(job),
        "stream": True if "partial_images" in request.options else None,
    }
    if not request.sources:
        present = {name: value for name, value in body.items() if value is not None}
        return httpx.Request("POST", f"{base}/images/generations", json=present)
    one = "image" if len(request.sources) == 1 else "image[]"
    files = [(one, source) for source in request.sources]
    if request.mask:
        files.append(("mask", _mask(request.mask)))
    path = "variations" if request.operation is Operation.VARIATION else "edits"
    return multipart(f"{base}/images/{path}", body, files)


def _response_format(job: Job) -> str | None:
    """Return what the older dialect needs; the GPT Image models refuse the field, and have no links."""
    if job.request.response_format == "url":
        return "url"
    return "b64_json" if job.model.wire == DALL_E else None


MAX_MASK_BYTES = 4_000_000


def _mask(white: Picture) -> Picture:
    """Return the mask in the vendor's convention. Only one with very many shades of grey is too large."""
    holes = transparent_where_white(white)
    if len(holes.image_bytes) < MAX_MASK_BYTES:
        return holes
    message = f"The mask has {len(holes.image_bytes) / 1e6:.1f} MB as a PNG; OpenAI takes less than 4."
    raise ImageError(Reason.INVALID_REQUEST, message, hint="Give one with hard edges, or a smaller image and mask.")


class ServedModel(VendorModel):
    id: str
    shutdown_date: date | None = None


class Listing(VendorModel):
    data: tuple[ServedModel, ...]


async def lifecycles(wire: Wire, endpoint: Endpoint) -> dict[str, date | None]:
    """Return every model of GET /models with the day on which it is switched off, if one is named."""
    listing = parse_answer(Listing, (await wire.free("GET", f"{endpoint.base_url}/models")).content)
    return {model.id: model.shutdown_date for model in listing.data}
