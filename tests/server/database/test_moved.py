"""A journal that somebody moves away, removes or replaces while processes have it open."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.pricing.budget import Caps
from atelier.server.database.jobs import SqliteJobStore
from tests.server.database.test_jobs import anyones, journal_at, opened

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


async def spent(journal: SqliteJobStore) -> Decimal:
    return sum((row.usd for row in await journal.spend_by("model")), Decimal(0))


async def state_of(journal: SqliteJobStore, job: str) -> str | None:
    row = await journal.get_job(job)
    return row and row.state


def jobs_in(file: Path) -> list[str]:
    """By the file alone, as somebody finds it who has nothing else."""
    with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [id for (id,) in connection.execute("SELECT id FROM jobs ORDER BY id")]


@pytest.mark.parametrize("how", HOW)
async def test_what_is_spent_from_then_on_is_where_people_look(tmp_path: Path, how: How) -> None:
    folder = tmp_path / "state"
    journal, another = journal_at(folder), journal_at(folder)
    await opened(journal, "job_a")
    await journal.finish_job("job_a", "done", {"images": [{"id": "img_1"}]})
    how(folder)
    assert await opened(journal, "job_b", fingerprint="other") is None
    assert await another.get_job("job_a") is None
    assert (await spent(another), await spent(journal)) == (Decimal("0.04"), Decimal("0.04"))
    assert await opened(journal, "job_c") is None, "what is nowhere told of is not collected"
    await journal.aclose()
    await another.aclose()


@pytest.mark.parametrize("how", HOW)
async def test_a_job_in_flight_goes_along_with_its_money_its_task_and_its_pictures(tmp_path: Path, how: How) -> None:
    folder = tmp_path / "state"
    journal, another = journal_at(folder), journal_at(folder)
    await opened(journal, "job_a")
    await journal.mark_sent("chg_job_a")
    await journal.save_vendor_task("chg_job_a", {"id": "t1"})
    await journal.add_asset("job_a", "chg_job_a", "img_1")
    how(folder)
    await journal.settle_call("chg_job_a", Decimal("0.03"))
    assert await another.claim_orphaned_jobs(anyones) == [], "its process is alive"
    (call,) = await another.list_calls("job_a")
    assert (call.state, call.task, call.images) == ("settled", {"id": "t1"}, ("img_1",))
    await journal.finish_job("job_a", "done", {"images": [{"id": "img_1"}]})
    assert (await state_of(another, "job_a"), await spent(another)) == ("done", Decimal("0.03"))
    await journal.mark_delivered("job_a")
    assert await another.find_duplicate("1", "same") is None
    await journal.aclose()
    await another.aclose()


async def test_who_only_looks_finds_the_job_in_flight_and_leaves_nothing_behind_without_one(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    await opened(journal, "job_a")
    removed(tmp_path)
    row = await journal.find_duplicate("1", "same")
    assert row is not None
    assert (row.id, row.state) == ("job_a", "running")
    await journal.finish_job("job_a", "cancelled", {})
    removed(tmp_path)
    assert await journal.find_duplicate("1", "same") is None
    await journal.mark_delivered("job_a")
    assert not (tmp_path / "journal.db").exists()
    await journal.aclose()


@pytest.mark.parametrize("how", [moved, moved_alone])
async def test_the_file_that_was_moved_is_whole(tmp_path: Path, how: How) -> None:
    journal = journal_at(tmp_path)
    await opened(journal, "job_a")
    how(tmp_path)
    await opened(journal, "job_b", fingerprint="other")
    assert jobs_in(tmp_path / "old" / "journal.db") == ["job_a"]
    await journal.aclose()


OPENS = """
import sys, anyio
from pathlib import Path
from tests.server.database.test_jobs import journal_at, opened

async def main(folder, id):
    journal = journal_at(Path(folder))
    assert await opened(journal, id, fingerprint=id) is None
    await journal.finish_job(id, "done", {"images": []})
    await journal.aclose()

anyio.run(main, *sys.argv[1:])
"""


def by_another_process(folder: Path, id: str) -> None:
    done = subprocess.run([sys.executable, "-c", OPENS, str(folder), id], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", HOW)
async def test_whoever_comes_to_the_empty_place_first_is_not_harmed_by_those_who_had_the_old_file(
    tmp_path: Path, how: How
) -> None:
    folder = tmp_path / "state"
    one, other = journal_at(folder), journal_at(folder)
    await opened(one, "job_a", fingerprint="a")
    await opened(other, "job_b", fingerprint="b")
    how(folder)
    await anyio.to_thread.run_sync(by_another_process, folder, "job_c")
    await one.finish_job("job_a", "done", {"images": []})
    await anyio.to_thread.run_sync(by_another_process, folder, "job_d")
    await other.finish_job("job_b", "done", {"images": []})
    await anyio.to_thread.run_sync(by_another_process, folder, "job_e")
    ids = ["job_a", "job_b", "job_c", "job_d", "job_e"]
    for journal in (one, other):
        assert sorted(row.id for row in await journal.list_jobs(9)) == ids
        await journal.aclose()
    assert jobs_in(folder / "journal.db") == ids


async def test_a_file_that_is_put_in_its_place_is_not_mixed_with_what_the_old_one_had_to_write(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    earlier = journal_at(elsewhere)
    await opened(earlier, "job_x", fingerprint="x")
    await earlier.finish_job("job_x", "done", {"images": []})
    await earlier.aclose()
    journal = journal_at(state)
    for id in ("job_a", "job_b", "job_c"):
        await opened(journal, id, fingerprint=id)
        await journal.finish_job(id, "done", {"images": []})
    (elsewhere / "journal.db").replace(state / "journal.db")  # the side files of the old one stay
    await opened(journal, "job_d", fingerprint="d")
    assert sorted(row.id for row in await journal.list_jobs(9)) == ["job_d", "job_x"]
    await journal.aclose()
    assert jobs_in(state / "journal.db") == ["job_d", "job_x"]


async def test_a_file_that_comes_back_names_no_process_that_works_on_what_has_ended_since(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    await opened(journal, "job_a")
    await opened(journal, "job_b", fingerprint="other")
    moved(tmp_path)
    await journal.finish_job("job_a", "done", {"images": []})
    for name in NAMES:
        (tmp_path / "old" / name).replace(tmp_path / name)
    assert [row.id for row in await journal.claim_orphaned_jobs(anyones)] == ["job_a"], "and job_b still runs"
    assert await state_of(journal, "job_b") == "running"
    await journal.aclose()


async def test_a_damaged_file_is_moved_away_as_the_hint_says_and_all_is_well(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    await opened(journal, "job_a")
    file = tmp_path / "journal.db"
    await journal.database.write(lambda connection: None)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = file.read_bytes()
    with file.open("r+b") as handle:
        handle.write(pages[:4096] + b"\xa5" * (len(pages) - 4096))
    with pytest.raises(ImageError, match="malformed") as caught:
        await opened(journal, "job_b")
    assert "Move it away" in caught.value.hint
    file.rename(tmp_path / "damaged.db")
    assert await opened(journal, "job_b") is None
    assert await spent(journal) == Decimal("0.04")
    await journal.aclose()


async def test_a_place_that_cannot_be_written_yet_does_not_lose_the_job_in_flight(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    journal = journal_at(folder)
    await opened(journal, "job_a")
    shutil.rmtree(folder)
    folder.write_text("in the way")
    for _ in range(2):
        with pytest.raises(ImageError, match="its folder is a file"):
            await journal.finish_job("job_a", "done", {})
    folder.unlink()
    await journal.finish_job("job_a", "done", {})
    assert (await state_of(journal, "job_a"), await spent(journal)) == ("done", Decimal("0.04"))
    await journal.aclose()


async def test_the_caps_hold_what_is_in_flight_in_the_new_file_as_well(tmp_path: Path) -> None:
    journal = journal_at(tmp_path)
    await opened(journal, "job_a")
    removed(tmp_path)
    found: Any = await opened(journal, "job_b", Caps(per_day=Decimal("0.07")), fingerprint="other")
    assert (found.period, found.left) == ("day", Decimal("0.03"))
    assert date(2026, 11, 21).isoformat() in [row.name for row in await journal.spend_by("day")]
    await journal.aclose()
