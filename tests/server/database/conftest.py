"""Databases for tests: a SQLite file, and a PostgreSQL server of this session."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import anyio
import pytest

from atelier.server.database.jobs import SqlJobStore
from atelier.server.database.notifications import PostgresNotifications
from atelier.server.database.postgres import PostgresDatabase
from atelier.server.database.process_lock import FileProcessLock, SessionProcessLock
from atelier.server.database.sqlite import SqliteDatabase
from tests.postgres import new_database

DAY = date(2026, 11, 21)


OPENED = list[SqlJobStore]()


def open_store(place: str, day: date = DAY) -> SqlJobStore:
    """Return a store as a process of its own would open it; `place` is a folder or a URL."""
    OPENED.append(store := _store(place, day))
    return store


def _store(place: str, day: date) -> SqlJobStore:
    if place.startswith("postgresql"):
        database = PostgresDatabase(place)
        notifications = PostgresNotifications(database.url)
        return SqlJobStore(database, SessionProcessLock(database.url), lambda: day, notifications)
    folder = Path(place)
    return SqlJobStore(SqliteDatabase(folder / "journal.db"), FileProcessLock(folder / "processes"), lambda: day)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where the database is: a folder, or the URL of an empty database of PostgreSQL."""
    return str(tmp_path) if request.param == "sqlite" else new_database()


@pytest.fixture(autouse=True)
def _close_stores() -> Iterator[None]:
    """Close what a test has opened."""
    yield
    while OPENED:
        anyio.run(OPENED.pop().aclose)
