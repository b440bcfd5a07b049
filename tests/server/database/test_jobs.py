"""Jobs in the journal: written once, found again, and taken over from processes that died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import text, update

from atelier.providers.pipeline.job_store import CallIdentity, JobRow, JobStore, NewJob
from atelier.providers.pipeline.states import JobState
from atelier.providers.pricing.budget import CapExceeded, Caps, Ledger
from atelier.server.database.jobs import SqlJobStore
from atelier.server.database.schema import jobs
from tests.exhaustive import exhaustive
from tests.server.database.conftest import open_store
from tests.server.database.test_ledger import charge

pytestmark = pytest.mark.anyio


async def age(journal: SqlJobStore, by: timedelta) -> None:
    """Make every job older."""
    then = update(jobs).values(created_at=datetime.now(UTC) - by)
    await journal.database.write(lambda connection: connection.execute(then))


def anyones(caller: str, home: str) -> bool:
    return True


def journal_at(place: str | Path) -> SqlJobStore:
    return open_store(str(place))


def test_the_database_overrides_every_method_of_a_store_that_stores_nothing() -> None:
    promised = {name for base in (JobStore, Ledger) for name in vars(base) if not name.startswith("_")}
    inherited = [name for name in promised if getattr(SqlJobStore, name) in (vars(JobStore) | vars(Ledger)).values()]
    assert len(promised) > 15
    assert not inherited


def identity(fingerprint: str = "same", caller: str = "1", key: str | None = None) -> CallIdentity:
    return CallIdentity(caller=caller, fingerprint=fingerprint, key=key)


def entry(id: str, **more: Any) -> NewJob:
    return NewJob(
        id=id,
        identity=identity(**more),
        request={"prompt": "ein Fuchs für 5 €", "count": 1, "home": "/elsewhere"},
    )


async def opened(journal: SqlJobStore, id: str, caps: Caps = Caps(), **more: Any) -> CapExceeded | JobRow | None:  # noqa: B008
    return await journal.open_job(entry(id, **more), [replace(charge(f"chg_{id}"), job=id)], caps)


async def test_looking_leaves_no_file_behind(tmp_path: Path) -> None:
    journal = journal_at(tmp_path / "state")
    assert await journal.find_duplicate(identity()) is None
    assert await journal.claim_orphaned_jobs(anyones) == []
    await journal.mark_delivered("job_x")
    await journal.finish_job("job_x", JobState("done"), {})
    assert list(tmp_path.iterdir()) == []


async def test_a_job_and_its_reservation_are_written_together_or_not_at_all(place: str) -> None:
    journal = journal_at(place)
    short = await opened(journal, "job_a", Caps(per_day=Decimal("0.01")))
    assert isinstance(short, CapExceeded)
    assert await journal.get_job("job_a") is None
    assert await opened(journal, "job_a") is None
    row = await journal.get_job("job_a")
    assert row is not None
    assert (row.state, row.request["prompt"], row.reserved_usd) == ("running", "ein Fuchs für 5 €", Decimal("0.04"))
    await journal.aclose()


async def test_the_same_call_is_joined_until_it_is_delivered(place: str) -> None:
    journal = journal_at(place)
    await opened(journal, "job_a")
    joined = await opened(journal, "job_b")
    assert isinstance(joined, JobRow)
    assert joined.id == "job_a"
    assert await opened(journal, "job_c", caller="2") is None
    assert await opened(journal, "job_d", fingerprint="other") is None
    await journal.finish_job("job_a", JobState("done"), {"images": [{"id": "img_1"}]})
    collected = await opened(journal, "job_b")
    assert isinstance(collected, JobRow)
    assert collected.outcome["images"][0]["id"] == "img_1"
    await journal.mark_delivered("job_a")
    assert await opened(journal, "job_b") is None
    await journal.aclose()


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_what_came_to_nothing_is_not_collected(place: str, state: Any) -> None:
    journal = journal_at(place)
    await opened(journal, "job_a")
    await journal.finish_job("job_a", state, {})
    assert await journal.find_duplicate(identity()) is None
    assert await opened(journal, "job_b") is None
    await journal.aclose()


async def test_what_was_handed_over_and_not_stored_is_not_collected(place: str) -> None:
    journal = journal_at(place)
    await opened(journal, "job_a")
    await journal.finish_job("job_a", JobState("done"), {"images": []})
    assert await journal.find_duplicate(identity()) is None
    await journal.aclose()


async def test_an_end_in_the_dark_is_matched_but_not_joined(place: str) -> None:
    journal = journal_at(place)
    await opened(journal, "job_a")
    await journal.mark_call_unknown("chg_job_a")
    await journal.finish_job("job_a", JobState("unknown"), {"reason": "timeout"})
    row = await journal.find_duplicate(identity())
    assert row is not None
    assert (row.state, row.reserved_usd) == ("unknown", Decimal("0.04"))
    assert await opened(journal, "job_b") is None
    await journal.aclose()


async def test_a_call_keeps_its_task_and_its_pictures(place: str) -> None:
    journal = journal_at(place)
    await opened(journal, "job_a")
    await journal.save_vendor_task("chg_job_a", {"id": "t1", "cost": Decimal("3.0")})
    await journal.add_asset("job_a", "chg_job_a", "img_1")
    await journal.add_asset("job_a", "chg_job_a", "img_1")
    (call,) = await journal.list_calls("job_a")
    assert (call.task, call.images, call.state) == ({"id": "t1", "cost": "3.0"}, ("img_1",), "reserved")
    await journal.aclose()


async def test_the_end_of_a_job_stands(place: str) -> None:
    journal = journal_at(place)
    await opened(journal, "job_a")
    await journal.finish_job("job_a", JobState("done"), {"images": [{"id": "img_1"}]})
    await journal.finish_job("job_a", JobState("failed"), {})
    row = await journal.get_job("job_a")
    assert row is not None
    assert row.state == "done"
    assert [each.id for each in await journal.list_jobs(5)] == ["job_a"]
    assert await journal.list_jobs(5, JobState("failed")) == []
    await journal.aclose()


LEAVES = """
import os, signal, sys, anyio
from tests.server.database.test_jobs import journal_at, opened

async def main(place):
    journal = journal_at(place)
    await opened(journal, "job_a")
    print("ready", flush=True)
    await anyio.sleep(60)

anyio.run(main, sys.argv[1])
"""


@exhaustive
def test_the_jobs_of_a_process_that_was_killed_are_taken_over_once(place: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", LEAVES, place], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    async def look() -> list[list[str]]:
        one, another = journal_at(place), journal_at(place)
        alive = await one.claim_orphaned_jobs(anyones)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        found = [[row.id for row in await each.claim_orphaned_jobs(anyones)] for each in (one, another, one)]
        await one.aclose()
        later = [row.id for row in await another.claim_orphaned_jobs(anyones)]
        await another.aclose()
        return [[row.id for row in alive], *found, later]

    found = anyio.run(look)
    process.stdout.close()
    assert found == [[], ["job_a"], [], [], ["job_a"]]


def test_the_request_is_json_that_other_programs_can_read(place: str) -> None:
    async def written() -> str:
        journal = journal_at(place)
        await opened(journal, "job_a")
        found = await journal.database.read(lambda c: str(c.execute(text("SELECT request FROM jobs")).scalar()), "")
        await journal.aclose()
        return found

    assert json.loads(anyio.run(written))["count"] == 1


async def test_what_somebody_keeps_elsewhere_is_left_to_them_for_a_day(place: str) -> None:
    one, another = journal_at(place), journal_at(place)
    await opened(one, "job_a")
    await one.aclose()
    asked = list[tuple[str, str]]()

    def not_ours(caller: str, home: str) -> bool:
        asked.append((caller, home))
        return False

    assert await another.claim_orphaned_jobs(not_ours) == []
    assert asked == [("1", "/elsewhere")]
    await age(another, timedelta(hours=25))
    assert [row.id for row in await another.claim_orphaned_jobs(not_ours)] == ["job_a"]
    await another.aclose()


async def test_more_pictures_than_were_delivered_are_to_be_delivered_again(place: str) -> None:
    journal, one, two = journal_at(place), {"id": "img_1"}, {"id": "img_2"}
    await opened(journal, "job_a")
    await journal.finish_job("job_a", JobState("done"), {"images": [one], "collectable": True})
    await journal.mark_delivered("job_a")
    assert await journal.find_duplicate(identity()) is None
    for images, delivered in (([one], True), ([one, two], False)):
        assert [row.id for row in await journal.claim_orphaned_jobs(anyones)] == ["job_a"]
        assert (
            await journal.find_duplicate(identity()) is None
        )  # while it is collected a person who asks again gets another
        await journal.finish_job("job_a", JobState("done"), {"images": images, "collectable": True})
        row = await journal.get_job("job_a")
        assert row
        assert row.delivered == delivered
    await journal.aclose()


@pytest.mark.parametrize("broken", ["{", "[]", "", "null"])
async def test_one_damaged_row_does_not_stop_the_others(place: str, broken: str) -> None:
    journal, later = journal_at(place), journal_at(place)
    await opened(journal, "job_a")
    await opened(journal, "job_b", fingerprint="other")
    damage = update(jobs).where(jobs.c.id == "job_a").values(request=broken, outcome=broken)
    await journal.database.write(lambda connection: connection.execute(damage))
    await journal.aclose()
    assert [row.id for row in await later.claim_orphaned_jobs(anyones)] == ["job_a", "job_b"]
    assert {row.id for row in await later.list_jobs(5)} == {"job_a", "job_b"}
    await later.finish_job("job_a", JobState("unknown"), {})
    await later.aclose()
