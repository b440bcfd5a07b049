"""xAI's model rows. Facts: the vendor's SDK 1.21 and docs as of 2026-11-20."""

from __future__ import annotations

from atelier.providers.core.gates.option_limits import option_columns, text
from atelier.providers.core.types import CURRENT, Lifecycle, Model, Operation

RATIOS = (
    "auto", "1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1",
)  # fmt: skip


def imagine(
    id: str,
    *snapshots: str,
    qualities: tuple[str, ...] = (),
    wider: tuple[str, ...] = (),
    sources: int = 3,
    lifecycle: Lifecycle = CURRENT,
) -> Model:
    """Return a row of the Imagine family. No prompt limit is published; xAI refuses a prompt that is too long."""
    return Model(
        id=id,
        snapshots=snapshots,
        operations=frozenset({Operation.GENERATE, Operation.EDIT}),
        aspect_ratios=RATIOS + wider,
        resolutions=("1k", "2k"),
        qualities=qualities,
        links=True,
        max_count=10,
        max_sources=sources,
        max_source_bytes=10 * 2**20,
        lifecycle=lifecycle,
        **option_columns(text("user", 256)),  # of which no limit is published
    )


LATEST = "grok-imagine-image-2.0"
REDIRECTED = Lifecycle("deprecated", None, LATEST)
"""Withdrawn models whose names still work, without an end date: since 2026-11-02 xAI serves and bills 2.0 at quality
low in their place, with the parameters that they had."""
GONE = Lifecycle("retired", None, LATEST)  # on a day that was not published

MODELS = (
    imagine(
        LATEST,
        qualities=("auto", "low", "medium"),  # auto is the default since 2026-08: low to generate, medium to edit
        wider=("21:9", "5:2"),
        sources=5,
    ),
    imagine("grok-imagine-image", "grok-imagine-image-2026-03-02"),
    imagine(
        "grok-imagine-image-quality",
        "grok-imagine-image-quality-20260403",
        "grok-imagine-image-quality-latest",  # undated, but the vendor's as well
        lifecycle=REDIRECTED,
    ),
    imagine("grok-imagine-image-pro", lifecycle=REDIRECTED),
    Model(
        id="grok-2-image-1212",
        operations=frozenset({Operation.GENERATE}),
        links=True,
        max_count=10,
        lifecycle=GONE,
    ),
)

WIDEST = imagine("grok", sources=16)
"""What xAI has fields for, checked for an unlisted model; its ratios, tiers, qualities and options are not checked."""
