"""OpenRouter's rows. Facts: the client `openrouter` 1.3.84 and GET /images/models as of 2026-10.

Doubtful, because the API is young: which values each model takes of `resolution` and `aspect_ratio`, how many images a
provider makes in one call (one is requested), and how many references it takes. Prices are read from the host.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.gates.option_limits import option_columns, switch, text
from atelier.providers.core.types import Feature, Model, Operation

GENERATE, EDIT = Operation.GENERATE, Operation.EDIT
FORMATS = ("png", "jpeg", "webp")
QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")
RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
ALL_RATIOS = (
    *RATIOS, "1:2", "1:4", "1:8", "2:1", "2.35:1", "4:1", "5:2", "5:7", "7:5", "8:1", "9:19.5", "19.5:9", "9:20",
    "20:9", "9:21",
)  # fmt: skip
ROUTING = (text("provider_only", 200), switch("allow_fallbacks"))
"""`provider.only`, slugs separated by commas, and `provider.allow_fallbacks`."""


def row(id: str, *operations: Operation, **columns: Any) -> Model:
    """Return a row with the columns that all have in common."""
    return Model(id=id, operations=frozenset({GENERATE, *operations}), **columns, **option_columns(*ROUTING))


def gpt_image(id: str) -> Model:
    """OpenAI's models."""
    return row(
        id,
        EDIT,
        sizes=("1024x1024", "1536x1024", "1024x1536"),
        qualities=QUALITIES,
        backgrounds=("auto", "opaque", "transparent"),
        formats=FORMATS,
        features=frozenset({Feature.COMPRESSION}),
        max_sources=16,
    )


def gemini(id: str, *resolutions: str) -> Model:
    """Google's models: ratio and resolution by name."""
    return row(id, EDIT, aspect_ratios=RATIOS, resolutions=resolutions, max_sources=14)


DEFAULT = "openai/gpt-image-2.5-flare"

MODELS = (
    gpt_image(DEFAULT),
    gpt_image("openai/gpt-image-2.5-sunburst"),
    gemini("google/gemini-3-pro-image", "1k", "2k", "4k"),
    gemini("google/gemini-3.1-flash-image", "1k", "2k", "4k"),
    row("microsoft/mai-image-2.6"),
    row("microsoft/mai-image-2.6-flash"),
)

UNLISTED = row(
    "unlisted",
    EDIT,
    aspect_ratios=ALL_RATIOS,
    sizes=("1024x1024",),
    resolutions=("512", "768sq", "1k", "1.5k", "2k", "4k"),
    qualities=QUALITIES,
    backgrounds=("auto", "opaque", "transparent"),
    formats=FORMATS,
    features=frozenset({Feature.SEED, Feature.COMPRESSION}),
    max_sources=16,
    any_value=True,
)
"""All that the API has a field for; it refuses what the model does not take."""
