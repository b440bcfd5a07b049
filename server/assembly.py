"""The parts, put together as the settings say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from atelier.providers.budget import Budget
from atelier.providers.catalog import PROVIDERS, Catalog, utc_today
from atelier.providers.core.fetch import Web
from atelier.providers.core.sources import Limits, Sources
from atelier.providers.overlay import with_file
from atelier.providers.pipeline import Pipeline
from atelier.providers.storage import Storage
from atelier.server.journal.database import Database
from atelier.server.journal.jobs import SqliteJournal
from atelier.server.journal.owners import Owner
from atelier.server.settings import Settings
from atelier.server.storage.local import LocalStorage
from atelier.server.storage.s3 import S3Storage
from atelier.server.storage.s3_client import Connection
from atelier.server.storage.spool import Spool


def storage_of(settings: Settings) -> Spool:
    """Where pictures go; what that place refuses waits in the state folder. Raises invalid_request; no I/O."""
    folder = settings.state / "spool" / settings.customer_id
    waiting = LocalStorage(folder, "ATELIER_STATE_DIR")
    if settings.storage == "s3":
        connection = Connection(settings.bucket, settings.lookup)
        return Spool(S3Storage(connection, settings.customer_id), waiting, ahead=True)
    return Spool(LocalStorage(settings.pictures), waiting, ahead=False)


def catalog_of(settings: Settings, today: Callable[[], date] = utc_today) -> Catalog:
    """Every vendor, with what the user's own catalogue file says of their models and prices."""
    return Catalog(settings.lookup, today, *with_file(PROVIDERS, settings.catalog, today))


def journal_of(settings: Settings, today: Callable[[], date] = utc_today) -> SqliteJournal:
    """Where jobs and money are kept account of; the file is made when it is first written."""
    return SqliteJournal(Database(settings.state / "journal.db"), Owner(settings.state / "processes"), today)


def sources_of(settings: Settings, storage: Storage, folders: tuple[Path, ...] = ()) -> Sources:
    """How callers name pictures. `folders` may be read from; none where the caller is not on this machine."""
    limits = Limits(int(settings.source_max_mb * 2**20), int(settings.source_max_megapixels * 1e6))
    return Sources(storage, folders, Web(allow_http=settings.allow_http_sources), storage.id_in, limits)


def pipeline_of(
    settings: Settings,
    storage: Storage,
    today: Callable[[], date] = utc_today,
    folders: tuple[Path, ...] = (),
) -> Pipeline:
    """The pipeline over every vendor. `folders` may be read from besides those of the settings."""
    return Pipeline(
        catalog_of(settings, today),
        storage,
        sources_of(settings, storage, (*settings.readable, *folders)),
        journal=journal_of(settings, today),
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
