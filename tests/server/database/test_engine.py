"""The journal's file: private, shared by processes, migrated in place, and clear about what is wrong with it."""

from __future__ import annotations

import sqlite3
import stat
import sys
from pathlib import Path
from threading import Event

import anyio
import pytest
from sqlalchemy import Connection, func, select, text

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.testing.waiting import LONG
from atelier.server.database.migrations.migrate import LATEST
from atelier.server.database.schema import vendor_calls
from atelier.server.database.sqlite import SqliteDatabase

pytestmark = pytest.mark.anyio


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(vendor_calls)).scalar_one()


def version(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


async def test_the_file_is_made_when_first_needed_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.db"
    database = SqliteDatabase(path)
    assert not path.parent.exists()
    assert await database.write(count) == 0
    await database.aclose()
    assert version(path) == LATEST
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_work_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "journal.db")

    def half(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (x INTEGER)"))
        raise ValueError("in the midst of it")

    with pytest.raises(ValueError, match="midst"):
        await database.write(half)
    assert await database.write(count) == 0  # and the connection is good for more
    await database.aclose()
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()


@pytest.mark.parametrize("repeated", [False, True])
async def test_what_is_written_at_once_is_committed_together_and_fails_alone(tmp_path: Path, repeated: bool) -> None:
    path, begun, go_on = tmp_path / "journal.db", Event(), Event()
    database = SqliteDatabase(path)
    await database.write(lambda connection: connection.execute(text("CREATE TABLE numbers (x INTEGER UNIQUE)")))
    watcher = sqlite3.connect(path, check_same_thread=False)
    committed, failed = list[int](), list[int]()

    def slow(connection: Connection) -> None:
        begun.set()
        go_on.wait(LONG)

    async def insert(number: int) -> None:
        def transaction(connection: Connection) -> None:
            committed.append(watcher.execute("SELECT count(*) FROM numbers").fetchone()[0])
            connection.execute(text("INSERT INTO numbers VALUES (:x)"), {"x": number})

        try:
            await database.write(transaction)
        except ImageError:
            failed.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, slow)
        await anyio.to_thread.run_sync(begun.wait, LONG)
        for number in range(8):
            tasks.start_soon(insert, 3 if repeated and number == 5 else number)
        await anyio.sleep(0.2)  # they queue up behind the slow one
        go_on.set()
    stored = [row[0] for row in watcher.execute("SELECT x FROM numbers ORDER BY x")]
    watcher.close()
    await database.aclose()
    assert (stored, failed) == (([0, 1, 2, 3, 4, 6, 7], [3]) if repeated else ([*range(8)], []))
    assert (committed == [0] * 8) != repeated  # what fails together is run once more, each alone


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
async def test_only_a_durable_write_waits_for_the_disk(tmp_path: Path, durable: bool, synchronous: int) -> None:
    database = SqliteDatabase(tmp_path / "journal.db")

    def mode(connection: Connection) -> int:
        return connection.execute(text("PRAGMA synchronous")).scalar_one()

    assert await database.write(mode, durable=durable) == synchronous
    assert await database.write(mode) == 2
    await database.aclose()


async def test_an_older_file_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    sqlite3.connect(path).close()
    database = SqliteDatabase(path)
    assert await database.write(count) == 0
    await database.aclose()
    assert version(path) == LATEST


NEWER = [
    "PRAGMA user_version = 4",  # of a version that did not count its steps by Alembic
    "CREATE TABLE alembic_version AS SELECT '9999' AS version_num",
]


@pytest.mark.parametrize("statement", NEWER)
async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "journal.db"
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(ImageError) as caught:
        await SqliteDatabase(path).read(count, 0)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert "newer Atelier" in caught.value.message
    assert "ATELIER_STATE_DIR" in caught.value.hint
    with sqlite3.connect(path) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchall()


@pytest.mark.parametrize("content", [b"this is no database at all, but a letter to a friend" * 40])
async def test_a_file_that_is_no_journal_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        await SqliteDatabase(path).read(count, 0)
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert str(path) in caught.value.message
    assert path.read_bytes() == content


@pytest.mark.parametrize("below", ["", "further"])
async def test_a_file_in_place_of_the_folder_is_told_to_who_writes_and_to_who_looks(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")
    database = SqliteDatabase(tmp_path / "file" / below / "journal.db")
    for work in (database.write(count), database.read(count, 0)):
        with pytest.raises(ImageError, match="its folder is a file") as caught:
            await work
        assert caught.value.reason is Reason.STORAGE_FAILED
        assert caught.value.hint == "Set ATELIER_STATE_DIR to a folder."
    assert not database.exists


async def test_a_file_that_another_program_holds_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelier.server.database.sqlite.LOCK_TIMEOUT", 0.05)
    database, path = SqliteDatabase(tmp_path / "journal.db"), tmp_path / "journal.db"
    await database.write(count)
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    for one in (database, SqliteDatabase(path)):
        with pytest.raises(ImageError) as caught:
            await one.write(count)
        assert "database is locked" in caught.value.message
        assert caught.value.hint == "Another process has locked it. Close that process and try again."
    held.close()
    assert await database.write(count) == 0
    await database.aclose()
