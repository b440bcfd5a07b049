"""A vendor on its own, wired to its emulator, through the product's real pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.environment import variable
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.vendors.contract import Provider
from tests.conftest import TODAY


def studio(provider: Provider, environ: Mapping[str, str], *, today: date = TODAY, **options: Any) -> Pipeline:
    """The pipeline over this one vendor; pictures stay in memory."""
    catalog = Catalog(lambda name: variable(environ, name), lambda: today, (provider,))
    return Pipeline(catalog, **options)
