"""ComfyUI's rows: a graph for each family of checkpoints, one that extends, an upscaler; `comfyui/NAME` is a workflow.

Facts of 2026-11-29: node pages, and templates of the vendor for Z-Image and Qwen-Image. Doubtful: the whole FLUX graph,
which is put together from node pages, and the shift of Qwen-Image. The bounds of sizes are ours.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.gates.option_limits import Limit, number, option_columns, text, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Model, Operation

DEFAULT, FLUX, Z_IMAGE, QWEN, OUTPAINT, UPSCALE = (
    "comfyui-sdxl", "comfyui-flux", "comfyui-z-image", "comfyui-qwen-image", "comfyui-outpaint", "comfyui-upscale",
)  # fmt: skip

SAMPLING = (text("checkpoint", 300), whole("steps", 1, 150), text("sampler_name", 100), text("scheduler", 100))
CFG = number("cfg", 0, 100)
COMMON = frozenset({Feature.SEED, Feature.STRENGTH, Feature.MASK})


def row(id: str, step: int, *own: Limit, negative: bool = False) -> Model:
    """Return the row of a family: it draws, and changes a source wholly or inside a mask."""
    columns: dict[str, Any] = option_columns(*SAMPLING, *own)
    return Model(
        id=id,
        operations=frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT}),
        size_rule=SizeRule(step=step, min_edge=64, max_edge=2048, max_pixels=2048**2, max_ratio=8),
        features=COMMON | {Feature.NEGATIVE_PROMPT} if negative else COMMON,
        max_sources=1,
        max_seed=2**64 - 1,
        **columns,
    )


MODELS = (
    row(DEFAULT, 8, CFG, negative=True),
    row(FLUX, 16, number("guidance", 0, 100)),
    row(Z_IMAGE, 16),
    row(QWEN, 16, CFG, negative=True),
    Model(
        id=OUTPAINT,
        operations=frozenset({Operation.OUTPAINT}),
        features=frozenset({Feature.SEED, Feature.STRENGTH, Feature.NEGATIVE_PROMPT}),
        max_sources=1,
        max_seed=2**64 - 1,
        **option_columns(*SAMPLING, CFG, *(whole(side, 0, 2_000) for side in SIDES)),
    ),
    Model(
        id=UPSCALE,
        operations=frozenset({Operation.UPSCALE}),
        max_sources=1,
        max_prompt=0,
        **option_columns(text("upscaler", 300)),
    ),
)
