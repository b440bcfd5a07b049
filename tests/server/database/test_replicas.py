"""What several processes share through PostgreSQL: locks, slots, notifications, and one owner for each job."""

from __future__ import annotations

import time

import anyio
import pytest
from sqlalchemy import text

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.pipeline.states import JobState
from atelier.providers.testing.waiting import eventually
from atelier.server.database.postgres import PostgresDatabase, parse_url
from atelier.server.database.process_lock import SessionProcessLock
from atelier.server.database.rate_counter import count_call
from atelier.server.database.slots import VendorSlots
from tests.postgres import new_database
from tests.server.database.conftest import open_store
from tests.server.database.test_jobs import anyones, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
def url() -> str:
    return new_database()


async def end_sessions(url: str) -> None:
    """End every other session, as a restart of the server does, and wait until they have ended."""
    database, others = PostgresDatabase(url), 1
    query = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    while others:
        others = await database.write(lambda connection: connection.execute(query).scalar_one())
    await database.aclose()


async def test_a_process_is_alive_for_others_until_its_session_ends(url: str) -> None:
    mine, other = SessionProcessLock(parse_url(url)), SessionProcessLock(parse_url(url))
    name = mine.name
    assert not other.is_dead(name)
    mine.close()
    await eventually(lambda: other.is_dead(name))  # the server ends the session a moment later
    other.close()


async def test_a_process_that_lost_its_session_takes_another_name(url: str, caplog: pytest.LogCaptureFixture) -> None:
    lock = SessionProcessLock(parse_url(url))
    first = lock.name
    await end_sessions(url)
    second = lock.name
    assert second != first
    assert lock.is_dead(first)
    assert lock.names == [first, second]
    assert "process lock lost" in caplog.text
    lock.close()


async def test_a_job_that_another_process_claimed_is_not_ended_by_its_first(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = open_store(url), open_store(url)
    await opened(first, "job_a")
    await end_sessions(url)
    assert [row.id for row in await second.claim_orphaned_jobs(anyones)] == ["job_a"]
    assert not await first.finish_job("job_a", JobState.FAILED, {})
    assert "job end not written" in caplog.text
    assert await second.finish_job("job_a", JobState.COMPLETED, {"images": [{"id": "img_1"}]})
    row = await first.get_job("job_a")
    assert row
    assert row.state == JobState.COMPLETED


async def test_an_orphaned_job_is_claimed_by_one_of_many(url: str) -> None:
    dead, stores = open_store(url), [open_store(url) for _ in range(4)]
    for name in ("job_a", "job_b", "job_c"):
        await opened(dead, name, fingerprint=name)
    await dead.aclose()
    claimed = list[str]()

    async def claim(number: int) -> None:
        claimed.extend([row.id for row in await stores[number].claim_orphaned_jobs(anyones)])

    async with anyio.create_task_group() as tasks:
        for number in range(len(stores)):
            tasks.start_soon(claim, number)
    assert sorted(claimed) == ["job_a", "job_b", "job_c"]


async def test_two_processes_open_one_job_for_equal_calls(url: str) -> None:
    stores, outcomes = [open_store(url) for _ in range(2)], list[object]()

    async def open_one(number: int) -> None:
        outcomes.append(await opened(stores[number % 2], f"job_{number}"))

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(open_one, number)
    assert outcomes.count(None) == 1
    assert len({row.id for row in await stores[0].list_jobs(50)}) == 1


async def test_a_waiter_hears_at_once_of_a_job_that_another_process_ends(url: str) -> None:
    runs, waits = open_store(url), open_store(url)
    await opened(runs, "job_a")
    began = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waits.wait_for_end, "job_a", 20.0)
        await anyio.sleep(0.5)
        await runs.finish_job("job_a", JobState.FAILED, {})
    assert time.monotonic() - began < 10


async def test_replicas_share_the_calls_of_a_minute(url: str) -> None:
    one, other = open_store(url).database, open_store(url).database
    began = 1_000_000 * 60.0
    counted = [await count_call((one, other)[n % 2], "alice", 4, began + n) for n in range(6)]
    assert counted == [True] * 4 + [False] * 2
    assert await count_call(one, "bob", 4, began)
    assert not await count_call(other, "alice", 4, began + 60)
    assert await count_call(other, "alice", 4, began + 75)  # a quarter of the minute before is over
    assert not await count_call(one, "alice", 4, began + 76)


async def test_slots_are_shared_and_come_back(url: str) -> None:
    one, other, running, most = VendorSlots(parse_url(url)), VendorSlots(parse_url(url)), 0, 0

    async def call(slots: VendorSlots) -> None:
        nonlocal running, most
        async with slots.slot("openai", 3):
            running += 1
            most = max(most, running)
            await anyio.sleep(0.02)
            running -= 1

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(call, one if number % 2 else other)
        tasks.start_soon(call, one)
    assert most == 3
    one.close()
    other.close()


async def test_a_database_that_is_away_is_named_without_its_password() -> None:
    store = open_store("postgresql://atelier:hunter2@127.0.0.1:9/atelier")
    with pytest.raises(ImageError) as caught:
        await store.get_job("job_a")
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert "ATELIER_STATE_URL cannot be used" in caught.value.message
    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}{caught.value!r}"


@pytest.mark.parametrize(
    "url", ["mysql://root@localhost/atelier", "postgresql", "postgresql+asyncpg://localhost/atelier"]
)
def test_another_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ImageError, match="ATELIER_STATE_URL is wrong"):
        parse_url(url)
