"""The image library. Call `generate` to make images without a server.

from atelier.providers import generate

result = await generate("a lighthouse at dusk", model="openai", size="1024x1024")
result.images[0].image_bytes
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atelier.providers.core.types import ImageResult, Progress

__all__ = ["generate"]


async def generate(
    prompt: str, *, model: str | None = None, n: int = 1, on_progress: Progress | None = None, **options: Any
) -> ImageResult:
    """Make `n` pictures and return them in memory; nothing is stored, and no ledger is written.

    `options` are the other fields of `core.types.ImageRequest` (size, quality, seed, ...); an unknown one is a
    TypeError. `on_progress` is awaited with a progress message. Keys and the budget of one call come from the
    environment; where a budget by day or month is set, which nothing could be held against here, only what is free is
    made. Raises `core.errors.ImageError`.
    """
    from functools import partial
    from pathlib import Path

    from atelier.providers.catalog.catalog import Catalog
    from atelier.providers.catalog.catalog_overlay import with_file
    from atelier.providers.core.concurrency import no_progress
    from atelier.providers.core.environment import variable
    from atelier.providers.core.types import ImageRequest
    from atelier.providers.pipeline.pipeline import Pipeline
    from atelier.providers.pricing.budget import from_variables, require_no_period_caps
    from atelier.providers.vendors.registry import all_providers

    lookup = partial(variable, os.environ)
    file = lookup("ATELIER_CATALOG")
    catalog = Catalog(lookup, load=lambda: with_file(all_providers(), Path(file) if file else None))
    request = ImageRequest(prompt=prompt, model=model, count=n, **options)
    budget = from_variables(lookup)
    async with Pipeline(catalog, budget=budget) as pipeline:
        price = pipeline.admit(request).estimate
        if price is None or price.high_usd:
            require_no_period_caps(budget.caps)
        return await pipeline.run(request, on_progress=on_progress or no_progress)
