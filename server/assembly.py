"""The parts, put together as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from atelier.providers.catalog import PROVIDERS, Catalog, utc_today
from atelier.providers.core.fetch import Web
from atelier.providers.core.sources import Limits, Sources
from atelier.providers.overlay import with_file
from atelier.providers.pipeline import Pipeline
from atelier.server.settings import Settings
from atelier.server.storage.local import LocalStorage


def storage_of(settings: Settings) -> LocalStorage:
    """Where pictures go; what that folder refuses is rescued into the state folder."""
    return LocalStorage(settings.pictures, settings.state / "rescued")


def catalog_of(settings: Settings, today: Callable[[], date] = utc_today) -> Catalog:
    """Every vendor, with what the user's own catalogue file says of their models."""
    return Catalog(settings.lookup, today, with_file(PROVIDERS, settings.catalog))


def sources_of(settings: Settings, storage: LocalStorage, folders: tuple[Path, ...] = ()) -> Sources:
    """How callers name pictures. `folders` may be read from; none where the caller is not on this machine."""
    limits = Limits(int(settings.source_max_mb * 2**20), int(settings.source_max_megapixels * 1e6))
    return Sources(storage, folders, Web(allow_http=settings.allow_http_sources), limits=limits)


def pipeline_of(
    settings: Settings,
    storage: LocalStorage,
    today: Callable[[], date] = utc_today,
    folders: tuple[Path, ...] = (),
) -> Pipeline:
    """The pipeline over every vendor. `folders` may be read from besides those of the settings."""
    return Pipeline(
        catalog_of(settings, today),
        storage,
        sources_of(settings, storage, (*settings.readable, *folders)),
        timeout=settings.timeout_seconds,
        concurrency=settings.concurrency,
        retry_timeouts=settings.retry_timeouts,
    )
