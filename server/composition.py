"""Wires the parts of the process from the settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from atelier.providers.catalog.catalog import Catalog, utc_today
from atelier.providers.catalog.catalog_overlay import with_file
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.sources import SourceLimits, SourceReader
from atelier.providers.pipeline.pipeline import Pipeline, Tenants
from atelier.providers.pricing.budget import Budget
from atelier.providers.transport.network.web_fetch import WebFetcher
from atelier.providers.vendors.registry import all_providers
from atelier.server.database.engine import Database
from atelier.server.database.jobs import SqliteJobStore
from atelier.server.database.process_lock import ProcessLock
from atelier.server.settings import Settings
from atelier.server.storage.caller_storages import CallerStorages
from atelier.server.storage.remote_storage import RemoteStorage
from atelier.server.storage.upload_queue import UploadQueue


def storage_of(settings: Settings) -> UploadQueue:
    """Return the storage of the settings' customer, behind its upload queue. Raises invalid_request; does no I/O."""
    return CallerStorages(settings).of_customer()


def catalog_of(settings: Settings, today: Callable[[], date] = utc_today) -> Catalog:
    """Return the catalog of every vendor, with the user's catalog file applied."""
    return Catalog(settings.lookup, today, lambda: with_file(all_providers(), settings.catalog, today))


def job_store_of(settings: Settings, today: Callable[[], date] = utc_today, *, remote: bool = False) -> SqliteJobStore:
    """Return the store of jobs and money; its file is created by the first write. See Database."""
    return SqliteJobStore(
        Database(settings.state / "journal.db", remote=remote), ProcessLock(settings.state / "processes"), today
    )


def sources_of(settings: Settings, storage: Storage, folders: tuple[Path, ...] = ()) -> SourceReader:
    """Return the reader of source images. `folders` may be read from; none for callers on other machines."""
    web = WebFetcher(allow_http=settings.allow_http_sources)
    hint = storage.upload_hint if isinstance(storage, RemoteStorage) else str
    return SourceReader(storage, folders, web, storage.id_in, source_limits_of(settings), hint)


def source_limits_of(settings: Settings) -> SourceLimits:
    """Return the maximum size of a source image."""
    return SourceLimits(int(settings.source_max_mb * 2**20), int(settings.source_max_megapixels * 1e6))


def tenants_of(settings: Settings, storages: Callable[[str], Storage]) -> Tenants:
    """Return a function from a caller to its storage and sources."""

    def tenant(caller: str) -> tuple[Storage, SourceReader]:
        own = storages(caller)
        return own, sources_of(settings, own)

    return tenant


def pipeline_of(
    settings: Settings,
    storage: Storage | None,
    today: Callable[[], date] = utc_today,
    folders: tuple[Path, ...] = (),
    storages: Callable[[str], Storage] | None = None,
) -> Pipeline:
    """Return the pipeline over every vendor. `folders` may be read from besides those of the settings.

    Without a shared `storage`, `storages` returns one for each caller, and no folder may be read from.
    """
    return Pipeline(
        catalog_of(settings, today),
        storage,
        sources_of(settings, storage, (*settings.readable, *folders)) if storage else None,
        tenants=tenants_of(settings, storages) if storages else None,
        store=job_store_of(settings, today, remote=storages is not None),
        budget=Budget(
            caps=settings.caps,
            confirm_above=settings.confirm_above,
            allow_unpriced=settings.allow_unpriced,
        ),
        timeout=settings.timeout_seconds,
        concurrency=settings.concurrency,
        queue=settings.queue_limit,
        retry_timeouts=settings.retry_timeouts,
    )
