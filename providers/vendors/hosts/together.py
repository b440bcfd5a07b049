"""Together: POST /images/generations with JSON, to edit as well; the answers and refusals are OpenAI's.

Facts: the client `together` 3.1.1 as of 2026. Doubtful, because no page was read: prices (none is listed), whether a
source may be a data URI, and which models take `image_url` or `reference_images`. So only Kontext and FLUX.2 models get
sources; others would ignore them and bill a new image.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.option_limits import number, option_columns, switch, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Model, Operation, Picture
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.contract import Job, Provider
from atelier.providers.vendors.hosts.openai import names_of
from atelier.providers.vendors.hosts.rows import check_options, rows_of, vendor_of
from atelier.providers.vendors.hosts.settings import Host
from atelier.providers.vendors.openai.adapter import collect, read
from atelier.providers.vendors.openai.refusals import explain

GENERATE, EDIT = Operation.GENERATE, Operation.EDIT
OPTIONS = (whole("steps", 1, 50), number("guidance_scale", 0, 20), switch("disable_safety_checker"))
SIZES = SizeRule(step=16, min_edge=256, max_edge=2048, max_pixels=2048**2, max_ratio=8)  # our bounds; no page was read


def row(id: str, *operations: Operation, sources: int = 0, **columns: Any) -> Model:
    """Return a row with the columns that all have in common."""
    common: dict[str, Any] = {
        "size_rule": SIZES,
        "formats": ("jpeg", "png"),
        "links": True,
        "features": frozenset({Feature.SEED}),
        "max_count": 4,
    }
    operations = (GENERATE, *operations)
    return Model(
        id=id,
        operations=frozenset(operations),
        max_sources=sources,
        **{**common, **columns},
        **option_columns(*OPTIONS),
    )


MODELS = (
    row("black-forest-labs/FLUX.2-dev", EDIT, sources=8),
    row("black-forest-labs/FLUX.1-schnell"),
    row("black-forest-labs/FLUX.1.1-pro"),
)

UNLISTED = row("unlisted", EDIT, sources=8, features=frozenset({Feature.SEED, Feature.NEGATIVE_PROMPT}), any_value=True)


def provider_of(host: Host) -> Provider:
    """Return the vendor of a host with Together's API."""
    models, names = rows_of(host, MODELS, MODELS, UNLISTED), names_of(host)
    return vendor_of(
        host,
        models,
        UNLISTED,
        prepare=prepare,
        read=partial(read, names=names),
        explain=partial(explain, names=names),
        collect=partial(collect, names=names),
    )


def prepare(job: Job) -> httpx.Request:
    """Build the request. It asks for base64 by default, as an image behind a link is lost when the download fails."""
    request = job.request
    check_options(request.options, OPTIONS, "Together")
    width, height = job.size or (None, None)
    body: dict[str, Any] = {
        "model": job.model.id,
        "prompt": request.prompt,
        "n": request.count if request.count > 1 else None,
        "width": width,
        "height": height,
        "seed": request.seed,
        "negative_prompt": request.negative_prompt,
        "output_format": request.output_format,
        "response_format": "url" if request.response_format == "url" else "base64",
        **request.options,
        **_sources(job.model.id, request.sources),
    }
    present = {name: value for name, value in body.items() if value is not None}
    root = job.endpoint.base_url.removesuffix("/v1")  # the vendor's client 3 sets TOGETHER_BASE_URL without, 2 with it
    return httpx.Request("POST", f"{root}/v1/images/generations", json=present)


def _sources(id: str, sources: tuple[Picture, ...]) -> dict[str, Any]:
    """Return the field of the sources. Raises unsupported_option for a model that is not known to take them."""
    links = [f"data:{source.mime};base64,{base64.b64encode(source.image_bytes).decode()}" for source in sources]
    if not links:
        return {}
    if "flux.2" in id.lower():
        return {"reference_images": links}
    if "kontext" in id.lower() and len(links) == 1:
        return {"image_url": links[0]}
    message = (
        f"{id} is not known to take {'a source image' if len(links) == 1 else 'several source images'} at Together."
    )
    raise ImageError(
        Reason.UNSUPPORTED_OPTION, message, hint="Use a FLUX.2 or Kontext model.", facts={"option": "images"}
    )
