"""The parts, put together as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from atelier.providers.catalog import Catalog, utc_today
from atelier.providers.pipeline import Pipeline
from atelier.server.settings import Settings
from atelier.server.storage.local import LocalStorage


def storage_of(settings: Settings) -> LocalStorage:
    """Where pictures go; what that folder refuses is rescued into the state folder."""
    return LocalStorage(settings.pictures, settings.state / "rescued")


def pipeline_of(settings: Settings, storage: LocalStorage, today: Callable[[], date] = utc_today) -> Pipeline:
    """The pipeline over every vendor."""
    return Pipeline(
        Catalog(settings.lookup, today),
        storage,
        timeout=settings.timeout_seconds,
        concurrency=settings.concurrency,
        retry_timeouts=settings.retry_timeouts,
    )
