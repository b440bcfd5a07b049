"""Black Forest Labs' model rows. Facts: the vendor's OpenAPI and docs of 2026-05; later ones by third
parties up to 2026-10.

FLUX 3 and outpainting-v1 refuse an unknown field with 422; the older families drop it silently and bill, so a
row lists nothing that its family does not take.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.gates.option_limits import Limit, number, one_of, option_columns, switch, text, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import CURRENT, Feature, Lifecycle, Model, Operation

GENERATE, EDIT, VARIATION = Operation.GENERATE, Operation.EDIT, Operation.VARIATION
NOTHING, SEED, MASK = frozenset[Feature](), frozenset({Feature.SEED}), frozenset({Feature.MASK})
UPSAMPLING, UNSAMPLED = switch("prompt_upsampling"), switch("disable_pup")
SAMPLING = (UPSAMPLING, whole("steps", 15, 50), number("guidance", 1.5, 100))  # of the tools that came with FLUX.1
OFFSETS = tuple(whole(side, 0, 2_048) for side in SIDES)
WIDE = ("21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4")
RATIOS = (*WIDE, "1:1", "4:5", "3:4", "5:7", "2:3", "9:16", "1:2", "9:21")
"""FLUX 3 knows these by name; ultra and Kontext take any ratio from the first to the last."""


def row(
    id: str, wire: str, *operations: Operation, own: tuple[Limit, ...] = (), tolerance: int = 6, **columns: Any
) -> Model:
    """Return a row with what most rows have in common.

    `wire` is the field for the sources: `image_prompt`, `image` or `control_image` for one, `input_image`,
    `input_image_2` and so on for several, `images` for a list; `canvas` is input_image on a canvas of given size.
    `own` are the vendor's own options besides `safety_tolerance`, which every model takes, from 0 to `tolerance`. A
    source has up to 20 MB in base64.
    """
    common: dict[str, Any] = {
        "formats": ("jpeg", "png", "webp"),
        "links": True,
        "features": SEED,
        "max_sources": 1,
        "max_source_bytes": 15_000_000,
        **option_columns(whole("safety_tolerance", 0, tolerance), *own),
    }
    return Model(id=id, wire=wire, operations=frozenset(operations), **{**common, **columns})


def flux_1(id: str, *own: Limit, lifecycle: Lifecycle = CURRENT) -> Model:
    """FLUX.1; an image prompt makes a variation."""
    rule = SizeRule(step=32, min_edge=256, max_edge=1440, max_pixels=1440**2, max_ratio=6)
    own = (UPSAMPLING, *own)
    return row(id, "image_prompt", GENERATE, VARIATION, own=own, size_rule=rule, lifecycle=lifecycle)


def flux_2(id: str, *own: Limit, sources: int = 8) -> Model:
    """FLUX.2, up to 4 megapixels. The vendor names no longest edge; 4096 is ours."""
    rule = SizeRule(step=16, min_edge=64, max_edge=4096, max_pixels=2048**2, max_ratio=64)
    tiers = ("512", "1k", "1.5k", "2k")
    columns: dict[str, Any] = {"size_rule": rule, "resolutions": tiers, "max_sources": sources}
    return row(id, "input_image", GENERATE, EDIT, own=own, tolerance=5, **columns)


SOURCES = SizeRule(min_edge=256, max_edge=62_500, max_pixels=16_000_000, max_ratio=250)


def flux_3(id: str, *own: Limit) -> Model:
    """FLUX 3: ratio and tier by name; no pixels, seed or format (its schema of 2026-10-01)."""
    by_name = {"aspect_ratios": ("auto", *RATIOS), "resolutions": ("768sq", "1k", "1.5k", "2k", "4k")}
    columns: dict[str, Any] = {**by_name, "formats": (), "features": NOTHING, "max_sources": 10, "source_rule": SOURCES}
    return row(id, "images", GENERATE, EDIT, own=own, tolerance=4, **columns)


def kontext(id: str) -> Model:
    """FLUX.1 Kontext: an instruction and up to four pictures."""
    return row(id, "input_image", GENERATE, EDIT, own=(UPSAMPLING,), aspect_ratios=RATIOS, max_sources=4)


def ultra(id: str) -> Model:
    """FLUX 1.1 ultra: 4 megapixels in a ratio, and an image prompt with a strength."""
    own, takes = (UPSAMPLING, switch("raw")), SEED | {Feature.STRENGTH}
    return row(id, "image_prompt", GENERATE, VARIATION, own=own, aspect_ratios=RATIOS, features=takes)


def erase(id: str, *aliases: str) -> Model:
    """Removes what the mask covers; takes no prompt."""
    own = (whole("dilate_pixels", 0, 25),)
    return row(id, "image", Operation.ERASE, own=own, tolerance=5, aliases=aliases, features=SEED | MASK, max_prompt=0)


def outpainting(id: str, *aliases: str) -> Model:
    """Extends the source onto a larger canvas."""
    own = (one_of("mode", "high", "fast"), UNSAMPLED, *OFFSETS)
    return row(id, "canvas", Operation.OUTPAINT, own=own, tolerance=5, aliases=aliases, features=NOTHING)


DEFAULT = "flux-2-pro"
UNLISTED = Lifecycle("deprecated", None, DEFAULT)  # absent from the vendor's spec since 2026; no end announced

MODELS = (
    flux_2(DEFAULT, UNSAMPLED),
    flux_2("flux-2-pro-preview", UNSAMPLED),
    flux_2("flux-2-max", UNSAMPLED),
    flux_2("flux-2-flex", UPSAMPLING, whole("steps", 1, 50), number("guidance", 1.5, 10)),
    flux_2("flux-2-klein-9b", sources=4),
    flux_2("flux-2-klein-9b-preview", sources=4),
    flux_2("flux-2-klein-4b", sources=4),
    flux_3("flux-3-image", switch("grounding"), text("version", 60)),
    flux_3("flux-3-image-klein"),  # schema unverified; gateways price it by the same resolution words
    kontext("flux-kontext-pro"),
    kontext("flux-kontext-max"),
    flux_1("flux-pro-1.1"),
    ultra("flux-pro-1.1-ultra"),
    flux_1("flux-dev", whole("steps", 1, 50), number("guidance", 1.5, 5)),
    row("flux-pro-1.0-fill", "image", Operation.INPAINT, own=SAMPLING, features=SEED | MASK),
    row("flux-pro-1.0-expand", "image", Operation.OUTPAINT, own=(*SAMPLING, *OFFSETS)),
    erase("flux-tools/erase-v1", "flux-erase"),
    outpainting("flux-tools/outpainting-v1", "flux-outpainting"),
    flux_1("flux-pro", lifecycle=UNLISTED),
    row("flux-pro-1.0-canny", "control_image", EDIT, own=SAMPLING, lifecycle=UNLISTED),
    row("flux-pro-1.0-depth", "control_image", EDIT, own=SAMPLING, lifecycle=UNLISTED),
)
