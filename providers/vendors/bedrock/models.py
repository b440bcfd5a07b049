"""Bedrock's model rows. Facts: AWS's user guide and botocore 1.44 (2026-11-29); limits of images are Stability's own.

`wire` is the endpoint that the model has at Stability, whose fields it takes. Nova Canvas ended on 2026-09-30, Titan
Image on 2026-06-30. Doubtful: whether SD 3.5 Large, Core and Ultra are still active, and where besides us-west-2; the
price of Ultra; whether Ultra takes a source image, and the services a negative prompt or more styles: not offered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.gates.option_limits import number, option_columns, whole
from atelier.providers.core.types import Feature, Model, Operation
from atelier.providers.vendors.stability import models as stability
from atelier.providers.vendors.stability.models import ANY, BALANCED, DRAW, NONE, RATIOS, REDRAW, SEED, STYLES, WIDE

CORE_ID = "stable-image-core-v1:1"
TRANSFER = "control/style-transfer"  # the one service that `stability` does not have
MAX_BODY_BYTES = 25_000_000  # botocore's model of InvokeModel

USUAL = replace(
    stability.USUAL,
    styles=(),
    features=SEED,
    max_upload_bytes=MAX_BODY_BYTES * 3 // 4 - 2**17,  # of images in base64, with prompt and options
)
"""The columns that most rows share."""

TRANSFERRED = option_columns(
    number("style_strength", 0, 1), number("composition_fidelity", 0, 1), number("change_strength", 0.1, 1)
)


def generating(id: str, endpoint: str, *operations: Operation, **columns: Any) -> Model:
    """Return the row of a model that draws. Ids are AWS's without `stability.`, and the first alias is what is sent."""
    own = {"aspect_ratios": RATIOS, "formats": ("png", "jpeg"), "features": SEED | {Feature.NEGATIVE_PROMPT}}
    aliases = (f"stability.{id}",)
    return replace(USUAL, id=id, aliases=aliases, wire=endpoint, operations=frozenset(operations), **{**own, **columns})


def service(name: str, endpoint: str, *operations: Operation, **columns: Any) -> Model:
    """Return the row of an image service, which is served by its inference profile for the United States."""
    id = f"{name}-v1:0"
    aliases = (f"us.stability.{id}", f"stability.{id}")
    return replace(USUAL, id=id, aliases=aliases, wire=endpoint, operations=frozenset(operations), **columns)


def limits_of(endpoint: str) -> dict[str, Any]:
    """Return the options that Stability has at an endpoint."""
    row = next(row for row in stability.MODELS if row.wire == endpoint)
    return {"options": row.options, "limits": row.limits}


def invoked_id(model: Model) -> str:
    """Return AWS's id of a model, or of its inference profile; an unlisted one is sent as it is."""
    return model.aliases[0] if model.aliases else model.id


GROW = option_columns(whole("grow_mask", 0, 20))
MASKED = SEED | {Feature.MASK}

MODELS = (
    generating(CORE_ID, stability.CORE, Operation.GENERATE, max_sources=0),
    generating("stable-image-ultra-v1:1", stability.ULTRA, Operation.GENERATE, max_sources=0),
    generating("sd3-5-large-v1:0", stability.SD3, *DRAW, features=stability.WEIGHED, source_rule=ANY,
               **limits_of(stability.SD3)),
    service("stable-image-inpaint", stability.INPAINT, Operation.INPAINT, features=MASKED, styles=STYLES,
            source_rule=WIDE, **GROW),
    service("stable-image-erase-object", stability.ERASE, Operation.ERASE, features=MASKED, max_prompt=0,
            source_rule=WIDE, **GROW),
    service("stable-outpaint", stability.OUTPAINT, Operation.OUTPAINT,
            **option_columns(number("creativity", 0, 1), *(whole(side, 0, 2_000) for side in SIDES))),
    service("stable-image-search-replace", stability.REPLACE, Operation.SEARCH_REPLACE, **stability.FOUND),
    service("stable-image-search-recolor", stability.RECOLOR, Operation.RECOLOR, **stability.FOUND),
    service("stable-image-remove-background", stability.CUT_OUT, Operation.REMOVE_BACKGROUND, features=NONE,
            formats=("png", "webp"), max_prompt=0, source_rule=stability.source_rule(4_194_304)),
    service("stable-image-control-structure", stability.STRUCTURE, *REDRAW, features=SEED | {Feature.STRENGTH}),
    service("stable-image-control-sketch", stability.SKETCH, *REDRAW, features=SEED | {Feature.STRENGTH}),
    service("stable-image-style-guide", stability.STYLE, *REDRAW, aspect_ratios=RATIOS,
            features=SEED | {Feature.STRENGTH}),
    service("stable-style-transfer", TRANSFER, Operation.EDIT, max_sources=2, source_rule=BALANCED, **TRANSFERRED),
    service("stable-fast-upscale", stability.FAST, Operation.UPSCALE, features=NONE, max_prompt=0,
            source_rule=stability.source_rule(2**20, min_edge=32, edge=1_536)),
    service("stable-conservative-upscale", stability.CONSERVATIVE, Operation.UPSCALE,
            **limits_of(stability.CONSERVATIVE)),
    service("stable-creative-upscale", stability.CREATIVE, Operation.UPSCALE, styles=STYLES,
            source_rule=stability.source_rule(2**20), **limits_of(stability.CREATIVE)),
)  # fmt: skip
