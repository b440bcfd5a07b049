"""Google's model rows. Facts: the vendor's SDK 3.4 and docs as of 2026-11-20."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from atelier.providers.core.gates.option_limits import Limit, one_of, option_columns
from atelier.providers.core.types import CURRENT, Feature, Lifecycle, Model, Operation

CONTENT, PREDICT = "generateContent", "predict"
"""`Model.wire` names the API, as the path does: Gemini's or Imagen's."""

BANANA, PRO = "gemini-nano-banana-2.1", "gemini-3-pro-image"
INT32 = 2**31 - 1
THINKING = one_of("thinking_level", "minimal", "low", "medium", "high")
TEN_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")


def gemini(
    id: str,
    *aliases: str,
    ratios: tuple[str, ...] = (*TEN_RATIOS, "1:4", "4:1", "1:8", "8:1"),
    tiers: tuple[str, ...] = ("1k", "2k", "4k"),
    sources: int = 14,
    limits: tuple[Limit, ...] = (),
    life: Lifecycle = CURRENT,
) -> Model:
    """Return a row of the Gemini image models: one image a call, edited by instruction, never by mask."""
    return Model(
        id=id,
        aliases=aliases,
        operations=frozenset({Operation.GENERATE, Operation.EDIT}),
        aspect_ratios=ratios,
        resolutions=tiers,
        features=frozenset({Feature.SEED}),
        max_sources=sources,
        max_seed=INT32,
        wire=CONTENT,
        lifecycle=life,
        **option_columns(*limits),
    )


def ended(year: int, month: int, day: int, successor: str = BANANA) -> Lifecycle:
    """Return the lifecycle of a model that was switched off on that day."""
    return Lifecycle("retired", date(year, month, day), successor)


IMAGEN = Model(
    id="imagen-3.0-generate-001",
    operations=frozenset({Operation.GENERATE}),
    aspect_ratios=("1:1", "3:4", "4:3", "9:16", "16:9"),
    formats=("png", "jpeg"),
    features=frozenset({Feature.NEGATIVE_PROMPT, Feature.SEED, Feature.COMPRESSION}),
    max_count=4,
    max_seed=INT32,
    wire=PREDICT,
    lifecycle=ended(2026, 8, 17),
)
CAPABILITY = replace(
    IMAGEN,
    id="imagen-3.0-capability-001",
    operations=frozenset({Operation.INPAINT, Operation.ERASE, Operation.REPLACE_BACKGROUND}),
    features=IMAGEN.features | {Feature.MASK},
    max_sources=1,
)

ALL_TIERS, TWO_TIERS = ("512", "1k", "2k", "4k"), ("1k", "2k")
# 2026-10-06, without an end date. Doubtful: third parties say that the Gemini API ended it on 2026-10-29 already, the
# vendor's changelog does not, and Vertex lists 2027-05-28.
FADING = Lifecycle("deprecated", None, BANANA)
ENDS_IN_MARCH = Lifecycle("deprecated", date(2027, 3, 15), "gemini-3.1-flash-lite-image")  # litellm 1.110.2

MODELS = (
    gemini(BANANA, "nano-banana-2.1", "nano-banana", limits=(THINKING,)),
    gemini(PRO, "nano-banana-pro", "nano-banana-pro-preview", ratios=TEN_RATIOS),
    gemini("gemini-3.1-flash-lite-image", "nano-banana-2-lite", tiers=("1k",)),
    gemini("gemini-3.1-flash-image", "nano-banana-2", tiers=ALL_TIERS, life=FADING),
    gemini("gemini-2.5-flash-image", ratios=TEN_RATIOS, tiers=(), sources=3, life=ENDS_IN_MARCH),
    gemini("gemini-3-pro-image-preview", ratios=TEN_RATIOS, life=ended(2026, 6, 25, PRO)),
    gemini("gemini-3.1-flash-image-preview", tiers=ALL_TIERS, life=ended(2026, 6, 25)),
    gemini("gemini-2.0-flash-preview-image-generation", ratios=(), tiers=(), sources=3, life=ended(2025, 11, 14)),
    gemini("gemini-2.0-flash-exp-image-generation", ratios=(), tiers=(), sources=3, life=ended(2025, 11, 14)),
    replace(IMAGEN, id="imagen-4.0-generate-001", aliases=("imagen-4",), resolutions=TWO_TIERS),
    replace(IMAGEN, id="imagen-4.0-ultra-generate-001", resolutions=TWO_TIERS, lifecycle=ended(2026, 8, 17, PRO)),
    replace(IMAGEN, id="imagen-4.0-fast-generate-001"),
    replace(IMAGEN, id="imagen-3.0-generate-002", aliases=("imagen-3",), lifecycle=ended(2025, 11, 10)),
    IMAGEN,
    replace(IMAGEN, id="imagen-3.0-fast-generate-001"),
    CAPABILITY,
)

WIDEST = {
    CONTENT: gemini("gemini"),
    PREDICT: replace(CAPABILITY, operations=IMAGEN.operations | CAPABILITY.operations),
}
"""What each API has fields for, checked for an unlisted model; its ratios, tiers and options are not checked."""
