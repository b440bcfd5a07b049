"""Build a pipeline with one vendor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from atelier.providers.catalog.catalog import Catalog, Vendors
from atelier.providers.core.environment import variable
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pricing.price_table import table
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.registry import all_providers
from tests.conftest import TODAY

SIX = tuple(p for p in all_providers() if p.name in ("openai", "gemini", "flux", "xai", "stability", "sketch"))
"""The first six vendors: tests that count or name models by them hold whichever vendors come after."""


def only(*providers: Provider) -> Callable[[], Vendors]:
    """Return the loader of a catalog with only these vendors, at the shipped prices."""
    return lambda: (providers, table())


def open_pipeline(provider: Provider, environ: Mapping[str, str], *, today: date = TODAY, **options: Any) -> Pipeline:
    """Return a pipeline with this vendor and without storage."""
    catalog = Catalog(lambda name: variable(environ, name), lambda: today, only(provider))
    return Pipeline(catalog, **options)
