"""Stability's model rows. Facts: the vendor's OpenAPI document of 2026."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.gates.option_limits import number, one_of, option_columns, switch, text, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Lifecycle, Model, Operation

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

PIXELS = 9_437_184


def source_rule(max_pixels: int = PIXELS, min_edge: int = 64, edge: int = 16_384, ratio: float = 16_384.0) -> SizeRule:
    """Return which source images an endpoint accepts: pixels, edges, and long side over short."""
    return SizeRule(min_edge=min_edge, max_edge=edge, min_pixels=min_edge**2, max_pixels=max_pixels, max_ratio=ratio)


ANY, WIDE, BALANCED = source_rule(max_pixels=2**28), source_rule(), source_rule(ratio=2.5)

USUAL = Model(
    id="",
    operations=frozenset(),
    styles=STYLES,
    formats=("png", "jpeg", "webp"),
    features=STEERED,
    max_sources=1,
    max_prompt=10_000,
    source_rule=BALANCED,
    max_upload_bytes=10 * 2**20 - 2**17,  # 10 MiB with prompt and form
    max_seed=4_294_967_294,
)
"""The columns that most rows share."""


def row(id: str, endpoint: str, *operations: Operation, **columns: Any) -> Model:
    """Return a row for an endpoint or a model behind one: `wire` is its path, `columns` differ from `USUAL`."""
    return replace(USUAL, id=id, wire=endpoint, operations=frozenset(operations), **columns)


def sd3(id: str, **columns: Any) -> Model:
    """Return a row of the SD 3.5 family, which shares an endpoint."""
    own = {"aspect_ratios": RATIOS, "features": WEIGHED, "formats": ("png", "jpeg"), "source_rule": ANY}
    return row(id, SD3, *DRAW, **own, **option_columns(number("cfg_scale", 1, 10)), **columns)


REROUTED = {"sd3-large": "sd3.5-large", "sd3-large-turbo": "sd3.5-large-turbo", "sd3-medium": "sd3.5-medium"}
"""Older names, which Stability serves with the newer models since 2025-04-17 at the same price."""

GROWING, SEARCH = whole("grow_mask", 0, 20), text("search", 10_000)
SMOOTH, GROW, FOUND = (
    option_columns(whole("grow_mask", 0, 100)),
    option_columns(GROWING),
    option_columns(GROWING, SEARCH),
)
EXTENT = option_columns(number("creativity", 0, 1), *(whole(side, 0, 2_000) for side in SIDES))
LIGHT = option_columns(
    text("foreground_prompt", 10_000),
    number("preserve_original_subject", 0, 1),
    number("original_background_depth", 0, 1),
    switch("keep_original_background"),
    one_of("light_source_direction", "left", "right", "above", "below"),
    number("light_source_strength", 0, 1),
)
ENDED = Lifecycle("retired", date(2025, 7, 24), "stable-image-core")

MODELS = (
    row("stable-image-core", CORE, Operation.GENERATE, aliases=("core",), aspect_ratios=RATIOS, max_sources=0),
    row("stable-image-ultra", ULTRA, *DRAW, aliases=("ultra",), aspect_ratios=RATIOS, features=WEIGHED,
        source_rule=ANY),
    sd3("sd3.5-large", aliases=("sd", "sd3", "sd3.5")),  # the endpoint's default
    *(sd3(id) for id in ("sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash")),
    *(sd3(old, lifecycle=Lifecycle("deprecated", None, new)) for old, new in REROUTED.items()),
    row("stable-diffusion-v1-6", V1, Operation.GENERATE, max_sources=0, lifecycle=ENDED),
    row("stable-image-inpaint", INPAINT, Operation.INPAINT, features=STEERED | MASK, source_rule=WIDE, **SMOOTH),
    row("stable-image-erase", ERASE, Operation.ERASE, features=SEED | MASK, styles=(), max_prompt=0, source_rule=WIDE,
        **GROW),
    row("stable-image-outpaint", OUTPAINT, Operation.OUTPAINT, features=SEED, **EXTENT),
    row("stable-image-search-and-replace", REPLACE, Operation.SEARCH_REPLACE, **FOUND),
    row("stable-image-search-and-recolor", RECOLOR, Operation.RECOLOR, **FOUND),
    row("stable-image-remove-background", CUT_OUT, Operation.REMOVE_BACKGROUND,
        features=NONE, formats=("png", "webp"), styles=(), max_prompt=0, source_rule=source_rule(4_194_304)),
    row("stable-image-replace-background-and-relight", RELIGHT, Operation.REPLACE_BACKGROUND,
        styles=(), max_sources=2, **LIGHT),
    row("stable-image-control-structure", STRUCTURE, *REDRAW, features=WEIGHED),
    row("stable-image-control-sketch", SKETCH, *REDRAW, features=WEIGHED),
    row("stable-image-control-style", STYLE, *REDRAW, aspect_ratios=RATIOS, features=WEIGHED),
    row("stable-image-upscale-fast", FAST, Operation.UPSCALE, features=NONE, styles=(), max_prompt=0,
        source_rule=source_rule(2**20, min_edge=32, edge=1_536)),
    row("stable-image-upscale-conservative", CONSERVATIVE, Operation.UPSCALE, styles=(),
        **option_columns(number("creativity", 0.2, 0.5))),
    row("stable-image-upscale-creative", CREATIVE, Operation.UPSCALE, source_rule=source_rule(2**20),
        **option_columns(number("creativity", 0.1, 0.5))),
)  # fmt: skip
