"""Recraft's model rows. Facts: the vendor's OpenAPI copy and docs of 2026, as of 2026-11-29.

The vector models (`recraftv3_vector` and so on) and /vectorize answer with SVG, which Atelier does not store, so they
have no row. Doubtful: what /imageToImage costs with V4.1 (the answer states it), and the field of /eraseRegion.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.gates.option_limits import option_columns, text
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Model, Operation

GENERATE, EDIT, INPAINT = Operation.GENERATE, Operation.EDIT, Operation.INPAINT
RATIOS = (
    "1:1", "2:1", "1:2", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "6:10", "14:10", "10:14", "16:9", "9:16",
)  # fmt: skip
V4_SIZES = (
    (1024, 1024), (1536, 768), (768, 1536), (1280, 832), (832, 1280), (1216, 896), (896, 1216), (1152, 896),
    (896, 1152), (832, 1344), (1280, 896), (896, 1280), (1344, 768), (768, 1344),
)  # fmt: skip
V3_SIZES = (
    (1024, 1024), (2048, 1024), (1024, 2048), (1536, 1024), (1024, 1536), (1365, 1024), (1024, 1365), (1280, 1024),
    (1024, 1280), (1024, 1707), (1434, 1024), (1024, 1434), (1820, 1024), (1024, 1820),
)  # fmt: skip
SOURCES = SizeRule(min_edge=256, max_edge=4096, max_pixels=16_000_000, max_ratio=16)
REMOVE, CRISP, CREATIVE, ERASE = "removeBackground", "crispUpscale", "creativeUpscale", "eraseRegion"


def row(id: str, *operations: Operation, **columns: Any) -> Model:
    """Return a row with the columns that all have in common. `wire` is the endpoint of a tool."""
    common: dict[str, Any] = {
        "formats": ("png", "webp"),
        "links": True,
        "max_sources": 1,
        "source_rule": SOURCES,
        "max_source_bytes": 10_000_000,
    }
    return Model(id=id, operations=frozenset(operations), **{**common, **columns})


def v4(id: str, *operations: Operation, pro: bool = False) -> Model:
    """Recraft V4 and 4.1; the pro models draw with twice the edge."""
    columns: dict[str, Any] = {} if operations else {"max_sources": 0}
    sizes = tuple(f"{width << pro}x{height << pro}" for width, height in V4_SIZES)
    takes = frozenset({Feature.SEED, *([Feature.STRENGTH] if operations else [])})
    return row(
        id, GENERATE, *operations, sizes=sizes, aspect_ratios=RATIOS, features=takes, max_count=6, max_prompt=10_000,
        **columns,
    )  # fmt: skip


def v3(id: str, *operations: Operation, features: frozenset[Feature], sources: int) -> Model:
    """Recraft V3 and V2, which know styles and a negative prompt."""
    return row(
        id,
        GENERATE,
        *operations,
        sizes=tuple(f"{width}x{height}" for width, height in V3_SIZES),
        aspect_ratios=RATIOS,
        styles=("realistic_image", "digital_illustration"),
        features=features | {Feature.SEED, Feature.NEGATIVE_PROMPT},
        max_count=6,
        max_prompt=1_000,
        max_sources=sources,
        **option_columns(text("substyle", 60), text("style_id", 36)),
    )


def tool(id: str, endpoint: str, operation: Operation, **columns: Any) -> Model:
    """A tool, which takes one image and no prompt."""
    return row(id, operation, wire=endpoint, max_prompt=0, **columns)


DEFAULT = "recraftv4_1"
EDITING = frozenset({Feature.STRENGTH, Feature.MASK})

MODELS = (
    v4(DEFAULT, EDIT),
    v4("recraftv4_1_pro", pro=True),
    v4("recraftv4"),
    v4("recraftv4_pro", pro=True),
    v3("recraftv3", EDIT, INPAINT, Operation.REPLACE_BACKGROUND, features=EDITING, sources=1),
    v3("recraftv2", features=frozenset(), sources=0),
    tool("recraft-remove-background", REMOVE, Operation.REMOVE_BACKGROUND),
    tool("recraft-crisp-upscale", CRISP, Operation.UPSCALE),
    tool("recraft-creative-upscale", CREATIVE, Operation.UPSCALE),
    tool("recraft-erase-region", ERASE, Operation.ERASE, features=frozenset({Feature.MASK})),
)
