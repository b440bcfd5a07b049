"""Wires the parts of the process from the settings."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from atelier.providers.catalog.catalog import Catalog, utc_today
from atelier.providers.catalog.host_vendors import vendors_of
from atelier.providers.core.concurrency import Deferred
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.sources import SourceLimits, SourceReader
from atelier.providers.pipeline.dispatch import Slots
from atelier.providers.pipeline.job_store import JobStore
from atelier.providers.pipeline.pipeline import Pipeline, Tenants
from atelier.providers.pricing.budget import Budget
from atelier.providers.styles.library import Styles
from atelier.providers.transport.network.web_fetch import WebFetcher
from atelier.server.settings import Settings
from atelier.server.settings.fields import STATE_URL
from atelier.server.storage.caller_storages import CallerStorages
from atelier.server.storage.remote_storage import RemoteStorage
from atelier.server.storage.upload_queue import UploadQueue

if TYPE_CHECKING:
    from atelier.server.calls import CountCall
    from atelier.server.database.jobs import SqlJobStore
    from atelier.server.database.slots import VendorSlots

M_MMAP_THRESHOLD = -3  # in glibc's malloc.h
LARGE_BLOCK = 256 * 1024  # bytes


def storage_of(settings: Settings) -> UploadQueue:
    """Return the storage of the settings' customer, behind its upload queue. Raises invalid_request; does no I/O."""
    return CallerStorages(settings).of_customer()


def styles_of(settings: Settings) -> Styles:
    """Return the style library of the settings' customer. Raises invalid_request; does no I/O."""
    return CallerStorages(settings).styles_of_customer


def catalog_of(settings: Settings, today: Callable[[], date] = utc_today) -> Catalog:
    """Return the catalog of every vendor and of the user's hosts, with the user's catalog file applied."""
    return Catalog(settings.lookup, today, lambda: vendors_of(settings.hosts, settings.catalog, today))


def job_store_of(settings: Settings, today: Callable[[], date] = utc_today, *, remote: bool = False) -> SqlJobStore:
    """Return the store of jobs and money, in a file or in PostgreSQL; it is created by the first write."""
    from atelier.server.database.jobs import SqlJobStore
    from atelier.server.database.process_lock import FileProcessLock, SessionProcessLock

    if url := settings.lookup(STATE_URL):
        from atelier.server.database.notifications import PostgresNotifications
        from atelier.server.database.postgres import PostgresDatabase

        database = PostgresDatabase(url)
        return SqlJobStore(database, SessionProcessLock(database.url), today, PostgresNotifications(database.url))
    from atelier.server.database.sqlite import SqliteDatabase

    file = SqliteDatabase(settings.state / "journal.db", remote=remote)
    return SqlJobStore(file, FileProcessLock(settings.state / "processes"), today)


def slots_of(settings: Settings) -> Slots | None:
    """Return the concurrency slots of vendors that all replicas share; None without PostgreSQL."""
    url = settings.lookup(STATE_URL)
    if url is None:
        return None

    @cache
    def slots() -> VendorSlots:
        from atelier.server.database.postgres import parse_url
        from atelier.server.database.slots import VendorSlots

        return VendorSlots(parse_url(url))

    return lambda vendor, limit: slots().slot(vendor, limit)


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
        store=cast("JobStore", Deferred(lambda: job_store_of(settings, today, remote=storages is not None))),
        budget=Budget(
            caps=settings.caps,
            confirm_above=settings.confirm_above,
            allow_unpriced=settings.allow_unpriced,
        ),
        timeout=settings.timeout_seconds,
        concurrency=settings.concurrency,
        queue=settings.queue_limit,
        retry_timeouts=settings.retry_timeouts,
        slots=slots_of(settings),
    )


def preload_vendors(pipeline: Pipeline) -> None:
    """Load the vendors, which every call needs. An error comes back in the call."""
    with suppress(Exception):
        pipeline.catalog.preload()


def preload(pipeline: Pipeline) -> None:
    """Load the database and make the vendors' clients, after `preload_vendors`. An error comes back in the call.

    What is loaded stays, so the garbage collector need not look at it again: that takes 50 ms, in which all calls wait.
    """
    with suppress(Exception):
        if isinstance(store := cast("object", pipeline.store), Deferred):
            store.load()
        pipeline.dispatcher.preload(pipeline.catalog)
    return_large_blocks()
    gc.freeze()
    gc.enable()  # off since the start of a server over stdio


def return_large_blocks() -> None:
    """Have glibc return the memory of each large block, such as an image, to the system when it is freed.

    By default glibc raises the size from which it does so to that of the largest block that was freed, and keeps what
    is smaller. Sixteen images of 2 MB at once then take 3.4 times their size; with a fixed size 1.9 (mallopt(3)).
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def call_counter(settings: Settings, store: Callable[[], JobStore]) -> CountCall | None:
    """Return a function that counts a caller's calls in the database that all replicas share; None without one."""
    if settings.lookup(STATE_URL) is None:
        return None

    async def count(caller: str, per_minute: int, now: float) -> bool:
        from atelier.server.database.rate_counter import count_call

        made = cast("Deferred[SqlJobStore]", store()).load()
        return await count_call(made.database, caller, per_minute, now)

    return count
