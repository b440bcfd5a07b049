"""Ideogram's model rows. Facts: copies of the vendor's docs of 2026, as of 2026-11-29.

Doubtful: the 38 resolutions of 4.0 are not known here, so its row offers no size; 4.5 is served by the vendor's newer
/v2 API, of which no field list was seen. Both refuse what they do not know with a 400 that is not billed.
"""

from __future__ import annotations

from atelier.providers.core.gates.option_limits import one_of, option_columns
from atelier.providers.core.types import Feature, Model, Operation

V3, V4 = "ideogram-v3", "ideogram-v4"
REDRAW = (Operation.EDIT, Operation.VARIATION)  # by a prompt that describes the whole result, not the change

MODELS = (
    Model(
        id=V3,
        operations=frozenset({Operation.GENERATE, *REDRAW, Operation.INPAINT, Operation.REPLACE_BACKGROUND}),
        aspect_ratios=(
            "1:1", "16:9", "9:16", "4:3", "3:4",
            "3:2", "2:3", "16:10", "10:16", "5:4", "4:5", "2:1", "1:2", "3:1", "1:3",
        ),
        qualities=("turbo", "default", "quality"),
        styles=("auto", "general", "realistic", "design", "fiction"),
        links=True,
        features=frozenset({Feature.NEGATIVE_PROMPT, Feature.SEED, Feature.STRENGTH, Feature.MASK}),
        max_count=8,
        max_sources=1,
        max_source_bytes=25_000_000,
        max_seed=2**31 - 1,
        wire=V3,
        **option_columns(one_of("magic_prompt", "auto", "on", "off")),
    ),
    Model(
        id=V4,
        operations=frozenset({Operation.GENERATE}),
        qualities=("turbo", "default", "quality"),
        links=True,
        wire=V4,
    ),
)  # fmt: skip
