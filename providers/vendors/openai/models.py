"""OpenAI's model rows. Facts: the vendor's SDK 3.52 and docs as of 2026-11-20."""

from __future__ import annotations

from datetime import date

from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.gates.option_limits import Limit, one_of, option_columns, switch, text, whole
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import CURRENT, Feature, Lifecycle, Model, Operation

FREE_SIZES = SizeRule(step=16, max_edge=3840, min_pixels=655_360, max_pixels=8_294_400, max_ratio=3)
"""GPT Image 2 and later (SDK docstring, 2026-11)."""

SAFE = switch(SAFE_PROMPT)  # for the pipeline; not sent to the vendor
LIMITS = (whole("partial_images", 0, 3), one_of("moderation", "auto", "low"), text("safety_identifier", 128), SAFE)
PLANNING = one_of("complexity", "low", "medium", "high")  # of 2.6 (third parties, 2026-11)


def gpt_image(
    id: str,
    *snapshots: str,
    qualities: tuple[str, ...] = ("auto", "low", "medium", "high", "xhigh", "max"),
    size_rule: SizeRule | None = FREE_SIZES,
    limits: tuple[Limit, ...] = LIMITS,
    lifecycle: Lifecycle = CURRENT,
) -> Model:
    """Return a row of the GPT Image family; the arguments are what differs within it."""
    return Model(
        id=id,
        snapshots=snapshots,
        operations=frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT}),
        sizes=("auto", "1024x1024", "1536x1024", "1024x1536"),
        size_rule=size_rule,
        resolutions=("1k", "2k", "4k") if size_rule else (),
        qualities=qualities,
        backgrounds=("auto", "opaque", "transparent"),
        formats=("png", "jpeg", "webp"),
        features=frozenset({Feature.COMPRESSION, Feature.MASK}),
        max_count=10,
        max_sources=16,
        max_source_bytes=50_000_000,
        lifecycle=lifecycle,
        **option_columns(*limits),
    )


DALL_E = "dall-e"
"""The older dialect, for compatible hosts: it needs `response_format`, which the GPT Image models refuse."""


FLARE = "gpt-image-2.5-flare"
THREE_QUALITIES = ("auto", "low", "medium", "high")
# announced 2026-06-02; since 2026-11 the vendor names 2.6-sunburst and 2.6-flare as successors, earlier 2.5
ENDING = Lifecycle("deprecated", date(2026, 12, 1), "gpt-image-2.6-flare")
GONE = Lifecycle("retired", date(2026, 5, 12), FLARE)

MODELS = (
    gpt_image("gpt-image-2.6-flare", limits=(*LIMITS, PLANNING)),
    gpt_image("gpt-image-2.6-sunburst", limits=(*LIMITS, PLANNING)),
    gpt_image(FLARE, "gpt-image-2.5-flare-2026-09-08"),
    gpt_image("gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08"),
    gpt_image("gpt-image-2", "gpt-image-2-2026-04-21", qualities=THREE_QUALITIES),
    gpt_image(
        "gpt-image-1.5",
        "gpt-image-1.5-2025-12-16",
        qualities=THREE_QUALITIES,
        size_rule=None,
        lifecycle=ENDING,
    ),
    gpt_image("gpt-image-1-mini", qualities=THREE_QUALITIES, size_rule=None, lifecycle=ENDING),
    gpt_image("chatgpt-image-latest", qualities=THREE_QUALITIES, size_rule=None, lifecycle=ENDING),
    gpt_image(
        "gpt-image-1",
        qualities=THREE_QUALITIES,
        size_rule=None,
        lifecycle=Lifecycle("retired", date(2026, 10, 23), FLARE),
    ),
    Model(
        id="dall-e-3",
        operations=frozenset({Operation.GENERATE}),
        sizes=("1024x1024", "1792x1024", "1024x1792"),
        qualities=("standard", "hd"),
        styles=("vivid", "natural"),
        links=True,
        max_prompt=4_000,
        wire=DALL_E,
        lifecycle=GONE,
        **option_columns(SAFE),
    ),
    Model(
        id="dall-e-2",
        operations=frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT, Operation.VARIATION}),
        sizes=("256x256", "512x512", "1024x1024"),
        features=frozenset({Feature.MASK}),
        max_count=10,
        max_sources=1,
        links=True,
        max_prompt=1_000,
        wire=DALL_E,
        lifecycle=GONE,
        **option_columns(SAFE),
    ),
)
