"""Replicate's model rows: main image models. Facts of 2026-11-29: model pages, and the price page as read 2026-10-07.

A model drops a field that its schema lacks and bills, so a row lists only fields of its page. Doubtful: the ends
of `guidance` and of `num_inference_steps`. The mask of Ideogram is not offered, because its polarity was not seen.
Google's and OpenAI's models there have no row, because `google/...` names Google's own; they pass through by
`replicate/google/...`, as does any model by `replicate/owner/name`, checked against its schema before it is paid for.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.gates.option_limits import number, one_of, option_columns, switch, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Model, Operation

GENERATE = Operation.GENERATE
SEED = frozenset({Feature.SEED})
RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "9:21")
IDEOGRAM_RATIOS = (
    "3:1", "2:1", "16:9", "16:10", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "10:16", "9:16", "1:2", "1:3",
)  # fmt: skip
FLUX_1 = (one_of("megapixels", "1", "0.25"), switch("go_fast"))


def row(id: str, *operations: Operation, wire: str = "", **columns: Any) -> Model:
    """Return a row with what most rows have in common. `wire` is the field of the source."""
    common: dict[str, Any] = {
        "operations": frozenset({GENERATE, *operations}),
        "aspect_ratios": RATIOS,
        "formats": ("webp", "jpeg", "png"),
        "links": True,
        "features": SEED | {Feature.COMPRESSION},
        "max_sources": 1 if wire else 0,
    }
    return Model(id=id, wire=wire, **{**common, **columns})


DEFAULT = "black-forest-labs/flux-dev"

MODELS = (
    row(
        DEFAULT,
        Operation.EDIT,
        wire="image",
        features=SEED | {Feature.COMPRESSION, Feature.STRENGTH},
        max_count=4,
        **option_columns(whole("num_inference_steps", 1, 50), number("guidance", 0, 10), *FLUX_1),
    ),
    row(
        "black-forest-labs/flux-schnell",
        max_count=4,
        **option_columns(whole("num_inference_steps", 1, 4), *FLUX_1),
    ),
    row(
        "black-forest-labs/flux-1.1-pro",
        Operation.VARIATION,
        wire="image_prompt",
        size_rule=SizeRule(step=32, min_edge=256, max_edge=1440, max_pixels=1440**2, max_ratio=6),
        **option_columns(whole("safety_tolerance", 1, 6), switch("prompt_upsampling")),
    ),
    row(
        "ideogram-ai/ideogram-v3-quality",
        aspect_ratios=IDEOGRAM_RATIOS,
        formats=(),
        features=SEED,
        **option_columns(one_of("magic_prompt_option", "Auto", "On", "Off")),
    ),
)
