"""The sketch's one row: it has every option of Atelier, so that a whole flow can be tried without a key."""

from __future__ import annotations

from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import Feature, Model, Operation

MODELS = (
    Model(
        id="sketch",
        operations=frozenset({Operation.GENERATE, Operation.EDIT, Operation.INPAINT}),
        sizes=("auto",),
        size_rule=SizeRule(min_edge=64, max_edge=4096, max_pixels=4096**2, max_ratio=64),
        resolutions=("512", "1k", "2k", "4k"),
        qualities=("auto",),
        backgrounds=("auto", "opaque", "transparent"),
        formats=("png", "jpeg", "webp"),
        features=frozenset({Feature.SEED, Feature.COMPRESSION, Feature.MASK}),
        max_count=10,
        max_sources=1,
        source_formats=("png", "jpeg", "webp", "gif"),
        max_prompt=4_000,
    ),
)
