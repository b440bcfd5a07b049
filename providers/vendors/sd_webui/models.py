"""The rows of Stable Diffusion web UIs: the checkpoint that is loaded, and the upscalers.

Any other checkpoint is `sd-webui/NAME`, or the option `checkpoint` if its name has spaces; the server's list decides.
Facts of 2026-11-29: the API's source. The bounds of sizes and steps are ours: the server has none, only its memory.
"""

from __future__ import annotations

from atelier.providers.core.gates.option_limits import number, option_columns, switch, text, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Model, Operation

DEFAULT, UPSCALE = "sd-webui", "sd-webui-upscale"

MODELS = (
    Model(
        id=DEFAULT,
        operations=frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT}),
        size_rule=SizeRule(step=8, min_edge=64, max_edge=2048, max_pixels=2048**2, max_ratio=16),
        formats=("png", "jpeg", "webp"),
        features=frozenset({Feature.NEGATIVE_PROMPT, Feature.SEED, Feature.STRENGTH, Feature.MASK}),
        max_count=4,
        max_sources=1,
        max_prompt=20_000,
        **option_columns(
            text("checkpoint", 300),
            whole("steps", 1, 150),
            number("cfg_scale", 0, 30),
            number("distilled_cfg_scale", 0, 30),  # of Forge, for FLUX
            text("sampler_name", 100),
            text("scheduler", 100),
            whole("mask_blur", 0, 64),
            switch("enable_hr"),
            number("hr_scale", 1, 4),
        ),
    ),
    Model(
        id=UPSCALE,
        operations=frozenset({Operation.UPSCALE}),
        max_sources=1,
        max_prompt=0,
        **option_columns(text("upscaler", 100), number("factor", 1, 8)),
    ),
)
