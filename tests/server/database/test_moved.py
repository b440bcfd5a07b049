"""A journal that is moved away, removed or replaced while a process has it open: an error, until that is restarted."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pipeline.states import JobState
from atelier.server.database.jobs import SqlJobStore
from tests.server.database.test_jobs import anyones, identity, journal_at, opened

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows does not move a file that is open"),
]

NAMES = ["journal.db", "journal.db-wal", "journal.db-shm"]


def moved(folder: Path) -> None:
    """With its side files, into a folder beside it."""
    (folder / "old").mkdir()
    for name in NAMES:
        (folder / name).rename(folder / "old" / name)


def moved_alone(folder: Path) -> None:
    """Without its side files, which stay."""
    (folder / "old").mkdir()
    (folder / "journal.db").rename(folder / "old" / "journal.db")


def removed(folder: Path) -> None:
    for name in NAMES:
        (folder / name).unlink()


def removed_alone(folder: Path) -> None:
    (folder / "journal.db").unlink()


def removed_with_its_folder(folder: Path) -> None:
    shutil.rmtree(folder)


HOW = [moved, moved_alone, removed, removed_alone, removed_with_its_folder]

How = Callable[[Path], None]


async def assert_refused(journal: SqlJobStore, folder: Path) -> None:
    """Neither reading nor writing is possible, and the error tells what to do."""
    for attempt in (
        opened(journal, "job_b", fingerprint="other"),
        journal.find_duplicate(identity()),
        journal.spend_by("model"),
    ):
        with pytest.raises(ImageError) as caught:
            await attempt
        assert caught.value.reason is Reason.STORAGE_FAILED
        assert caught.value.message == f"The database {folder / 'journal.db'} was moved or removed while Atelier runs."
        assert caught.value.hint == "Restart Atelier, or put the file back."


@pytest.mark.parametrize("how", HOW)
async def test_the_process_that_has_it_open_refuses_until_it_is_restarted(tmp_path: Path, how: How) -> None:
    folder = tmp_path / "state"
    journal = journal_at(folder)
    await opened(journal, "job_a")
    how(folder)
    await assert_refused(journal, folder)
    assert not (folder / "journal.db").exists()
    await journal.aclose()
    restarted = journal_at(folder)
    assert await opened(restarted, "job_b") is None
    assert [row.id for row in await restarted.list_jobs(9)] == ["job_b"]
    await restarted.aclose()


async def test_a_file_that_is_put_back_is_used_again(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    await opened(journal, "job_a")
    moved(tmp_path)
    await assert_refused(journal, tmp_path)
    for name in NAMES:
        (tmp_path / "old" / name).rename(tmp_path / name)
    await journal.finish_job("job_a", JobState("done"), {"images": []})
    assert [(row.id, row.state) for row in await journal.list_jobs(9)] == [("job_a", "done")]
    await journal.aclose()


@pytest.mark.parametrize("how", HOW)
async def test_a_new_process_is_not_harmed_by_one_that_has_the_old_file_open(tmp_path: Path, how: How) -> None:
    folder = tmp_path / "state"
    old = journal_at(folder)
    await opened(old, "job_a")
    how(folder)
    new = journal_at(folder)
    await opened(new, "job_b", fingerprint="other")
    await assert_refused(old, folder)
    await old.aclose()
    await new.finish_job("job_b", JobState("done"), {"images": []})
    await opened(new, "job_c", fingerprint="third")
    await new.aclose()
    with closing(sqlite3.connect(folder / "journal.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT id FROM jobs ORDER BY id").fetchall() == [("job_b",), ("job_c",)]


async def test_a_file_that_is_put_in_its_place_is_left_alone(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    earlier = journal_at(elsewhere)
    await opened(earlier, "job_x", fingerprint="x")
    await earlier.aclose()
    before = (elsewhere / "journal.db").read_bytes()
    journal = journal_at(state)
    await opened(journal, "job_a")
    (elsewhere / "journal.db").replace(state / "journal.db")
    await assert_refused(journal, state)
    await journal.aclose()
    assert (state / "journal.db").read_bytes() == before


async def test_a_damaged_file_is_moved_away_and_a_restart_begins_a_new_one_as_the_hint_says(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    await opened(journal, "job_a")
    file = tmp_path / "journal.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = file.read_bytes()
    with file.open("r+b") as handle:
        handle.write(pages[:4096] + b"\xa5" * (len(pages) - 4096))
    with pytest.raises(ImageError, match="malformed") as caught:
        await opened(journal, "job_b")
    assert "Move it away and restart Atelier" in caught.value.hint
    file.rename(tmp_path / "damaged.db")
    await assert_refused(journal, tmp_path)
    await journal.aclose()
    restarted = journal_at(tmp_path)
    assert await opened(restarted, "job_b") is None
    assert await restarted.claim_orphaned_jobs(anyones) == []
    await restarted.aclose()
