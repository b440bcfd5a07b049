"""Midjourney's rows. Facts: undated pages of MidAPI and kie.ai, and clients' code of 2025 and 2026.

`wire` is the version, or the path of a tool. Doubtful: niji7, which only newer pages list; prices; what is refunded.
There is no seed, negative prompt or size. By the resellers, switches in the prompt (`--seed 7`) pass through.
"""

from __future__ import annotations

from atelier.providers.core.gates.option_limits import one_of, option_columns, switch, whole
from atelier.providers.core.types import Model, Operation

RATIOS = ("1:2", "9:16", "2:3", "3:4", "5:6", "6:5", "4:3", "3:2", "1:1", "16:9", "2:1")
SPEEDS = ("relaxed", "fast", "turbo")
UPSCALE, VARY = "generateUpscale", "generateVary"
STYLE, OMNI = "style", "omni"
OWN = (
    one_of("reference", STYLE, OMNI),
    whole("ow", 1, 1_000),  # the weight of an omni reference
    whole("variety", 0, 100),
    whole("stylization", 0, 1_000),
    whole("weirdness", 0, 3_000),
    switch("enableTranslation"),
)


def version(name: str) -> Model:
    """Return the row of a version. Each task makes four images, and is billed as a whole."""
    return Model(
        id=f"midjourney-{name}",
        operations=frozenset({Operation.GENERATE, Operation.EDIT}),
        aspect_ratios=RATIOS,
        qualities=SPEEDS,
        links=True,
        max_count=4,
        max_sources=1,
        max_prompt=2_000,
        wire=name,
        **option_columns(*OWN),
    )


def tool(id: str, path: str, operation: Operation, count: int) -> Model:
    """Return the row of a tool, which changes an image that the same account made."""
    return Model(
        id=id, operations=frozenset({operation}), links=True, max_count=count, max_sources=1, max_prompt=0, wire=path
    )


DEFAULT = "midjourney-7"

MODELS = (
    version("7"),
    version("niji7"),
    version("6.1"),
    version("niji6"),
    tool("midjourney-upscale", UPSCALE, Operation.UPSCALE, 1),
    tool("midjourney-vary", VARY, Operation.VARIATION, 4),
)
