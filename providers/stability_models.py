"""Stability's endpoint and model rows. Facts: the vendor's OpenAPI document of 2026."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from atelier.providers.core.gates import SIDES
from atelier.providers.core.types import Endpoint, Feature, Lifecycle, Model, Operation

ENDPOINT = Endpoint(
    base_url="https://api.stability.ai",
    base_url_variable="STABILITY_BASE_URL",
    key_variables=("STABILITY_API_KEY",),
    trusted_hosts=("api.stability.ai",),
    timeout=120.0,
)

RATIOS = ("1:1", "16:9", "9:16", "21:9", "9:21", "2:3", "3:2", "4:5", "5:4")
STYLES = (
    "enhance", "anime", "photographic", "digital-art", "comic-book", "fantasy-art", "line-art", "analog-film",
    "neon-punk", "isometric", "low-poly", "origami", "modeling-compound", "cinematic", "3d-model", "pixel-art",
    "tile-texture",
)  # fmt: skip

NONE, SEED, MASK = frozenset[Feature](), frozenset({Feature.SEED}), frozenset({Feature.MASK})
STEERED = SEED | {Feature.NEGATIVE_PROMPT}
WEIGHED = STEERED | {Feature.STRENGTH}
REDRAW = (Operation.EDIT, Operation.VARIATION)  # by a prompt that describes the whole result, not the change
DRAW = (Operation.GENERATE, *REDRAW)

CORE, ULTRA, SD3, V1 = "generate/core", "generate/ultra", "generate/sd3", "v1"
INPAINT, ERASE, OUTPAINT = "edit/inpaint", "edit/erase", "edit/outpaint"
REPLACE, RECOLOR = "edit/search-and-replace", "edit/search-and-recolor"
CUT_OUT, RELIGHT = "edit/remove-background", "edit/replace-background-and-relight"
STRUCTURE, SKETCH, STYLE = "control/structure", "control/sketch", "control/style"
FAST, CONSERVATIVE, CREATIVE = "upscale/fast", "upscale/conservative", "upscale/creative"

USUAL = Model(
    id="",
    operations=frozenset(),
    styles=STYLES,
    formats=("png", "jpeg", "webp"),
    features=STEERED,
    max_sources=1,
    max_prompt=10_000,
)
"""What most rows share."""


def row(id: str, endpoint: str, *operations: Operation, **columns: Any) -> Model:
    """An endpoint, or a model behind one: `wire` is its path, `columns` are where it departs from the usual."""
    return replace(USUAL, id=id, wire=endpoint, operations=frozenset(operations), **columns)


def sd3(id: str, **columns: Any) -> Model:
    """A row of the SD 3.5 family, which shares an endpoint."""
    more = frozenset({"cfg_scale"})
    return row(id, SD3, *DRAW, aspect_ratios=RATIOS, features=WEIGHED, formats=("png", "jpeg"), options=more, **columns)


REROUTED = {"sd3-large": "sd3.5-large", "sd3-large-turbo": "sd3.5-large-turbo", "sd3-medium": "sd3.5-medium"}
"""Older names, which Stability serves with the newer models since 2025-04-17 at the same price."""

GROW, CREATIVITY = frozenset({"grow_mask"}), frozenset({"creativity"})
LIGHT = frozenset({
    "foreground_prompt", "preserve_original_subject", "original_background_depth", "keep_original_background",
    "light_source_direction", "light_source_strength",
})  # fmt: skip
ENDED = Lifecycle("retired", date(2025, 7, 24), "stable-image-core")

MODELS = (
    row("stable-image-core", CORE, Operation.GENERATE, aliases=("core",), aspect_ratios=RATIOS, max_sources=0),
    row("stable-image-ultra", ULTRA, *DRAW, aliases=("ultra",), aspect_ratios=RATIOS, features=WEIGHED),
    *(sd3(id) for id in ("sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash")),
    *(sd3(old, lifecycle=Lifecycle("deprecated", None, new)) for old, new in REROUTED.items()),
    row("stable-diffusion-v1-6", V1, Operation.GENERATE, max_sources=0, lifecycle=ENDED),
    row("stable-image-inpaint", INPAINT, Operation.INPAINT, features=STEERED | MASK, options=GROW),
    row("stable-image-erase", ERASE, Operation.ERASE, features=SEED | MASK, options=GROW, styles=(), max_prompt=0),
    row("stable-image-outpaint", OUTPAINT, Operation.OUTPAINT, features=SEED, options=CREATIVITY.union(SIDES)),
    row("stable-image-search-and-replace", REPLACE, Operation.SEARCH_REPLACE, options=GROW | {"search"}),
    row("stable-image-search-and-recolor", RECOLOR, Operation.RECOLOR, options=GROW | {"search"}),
    row("stable-image-remove-background", CUT_OUT, Operation.REMOVE_BACKGROUND,
        features=NONE, formats=("png", "webp"), styles=(), max_prompt=0),
    row("stable-image-replace-background-and-relight", RELIGHT, Operation.REPLACE_BACKGROUND,
        options=LIGHT, styles=(), max_sources=2),
    row("stable-image-control-structure", STRUCTURE, *REDRAW, features=WEIGHED),
    row("stable-image-control-sketch", SKETCH, *REDRAW, features=WEIGHED),
    row("stable-image-control-style", STYLE, *REDRAW, aspect_ratios=RATIOS, features=WEIGHED),
    row("stable-image-upscale-fast", FAST, Operation.UPSCALE, features=NONE, styles=(), max_prompt=0),
    row("stable-image-upscale-conservative", CONSERVATIVE, Operation.UPSCALE, options=CREATIVITY, styles=()),
    row("stable-image-upscale-creative", CREATIVE, Operation.UPSCALE, options=CREATIVITY),
)  # fmt: skip
