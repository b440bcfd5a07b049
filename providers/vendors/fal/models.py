"""fal's model rows: the main image models. Facts of 2026-11-29: the vendor's docs, and prices of litellm 1.110.2.

fal drops a field that an endpoint does not know and bills, so a row lists only fields that a page of the vendor names.
Doubtful, because no page was read: whether free sizes end at 4 megapixels (the bound is ours); `num_images` up to 4.
Its GPT Image endpoints (`openai/...`) have no row, because their ids would hide OpenAI's own; they pass through by
`fal/openai/...`.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.gates.option_limits import number, option_columns, switch, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Model, Operation

GENERATE, EDIT = Operation.GENERATE, Operation.EDIT
SEED = frozenset({Feature.SEED})
RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")
FREE = SizeRule(step=16, min_edge=256, max_edge=4096, max_pixels=2048**2, max_ratio=8)
SAMPLING = (whole("num_inference_steps", 1, 50), number("guidance_scale", 1, 20))

EDIT_LIST, IMAGE_TO_IMAGE = "edit", "image-to-image"
"""`Model.wire`: the last part of the endpoint that edits, with the sources as a list or with one."""


def row(id: str, *, wire: str = "", sources: int = 0, **columns: Any) -> Model:
    """Return a row with what most rows have in common. Sources go to the endpoint `{id}/{wire}`."""
    common: dict[str, Any] = {
        "operations": frozenset({GENERATE, EDIT} if wire else {GENERATE}),
        "formats": ("jpeg", "png"),
        "links": True,
        "features": SEED,
        "max_count": 4,
        "max_sources": sources,
    }
    return Model(id=id, wire=wire, **{**common, **columns})


def nano_banana(id: str, *resolutions: str, sources: int = 10) -> Model:
    """Google's model: ratio and resolution by name, no seed."""
    columns: dict[str, Any] = {"aspect_ratios": RATIOS, "resolutions": resolutions, "features": frozenset[Feature]()}
    return row(id, wire=EDIT_LIST, sources=sources, **columns)


DEFAULT = "fal-ai/flux/dev"

MODELS = (
    row(
        DEFAULT,
        wire=IMAGE_TO_IMAGE,
        sources=1,
        size_rule=FREE,
        features=SEED | {Feature.STRENGTH},
        **option_columns(*SAMPLING),
    ),
    row("fal-ai/flux/schnell", size_rule=FREE, **option_columns(whole("num_inference_steps", 1, 12))),
    row("fal-ai/flux-pro/v1.1", size_rule=FREE),
    row("fal-ai/flux-pro/v1.1-ultra", aspect_ratios=RATIOS, **option_columns(switch("raw"))),
    row("fal-ai/flux-2-pro", wire=EDIT_LIST, sources=8, size_rule=FREE, max_count=1),
    nano_banana("fal-ai/nano-banana"),
    nano_banana("fal-ai/nano-banana-2", "512", "1k", "2k", "4k"),
    nano_banana("fal-ai/nano-banana-pro", "1k", "2k", "4k"),
    row("fal-ai/ideogram/v3", size_rule=FREE, formats=()),
    row("fal-ai/recraft/v3/text-to-image", size_rule=FREE, formats=(), max_count=1, features=frozenset[Feature]()),
    row("fal-ai/bytedance/seedream/v3/text-to-image", size_rule=FREE, formats=()),
)
