"""The world around breaks: no host, no name, no room on the disk, no end of a poll, an old link, a clock that jumps."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers import flux as flux_vendor
from atelier.providers.core import retry
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, ImageResult
from atelier.providers.desk import Desk
from atelier.server.assembly import journal_of, pipeline_of, storage_of
from atelier.server.journal import jobs
from atelier.server.journal.database import Database
from atelier.server.settings import Settings
from tests.conftest import Environ, files_in
from tests.emulators import flux as emulated
from tests.emulators.server import Answer
from tests.faults.conftest import Vendor, tally
from tests.faults.test_random import Quick

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def a_desk(environ: Environ, today: Any) -> AsyncGenerator[Desk]:
    settings = Settings.from_environ(environ)
    async with Desk(pipeline_of(settings, storage_of(settings), today)) as desk:
        yield desk


async def books(environ: Environ) -> list[tuple[str, str]]:
    """State of each job and of each of its calls."""
    journal = journal_of(Settings.from_environ(environ))
    query = "SELECT jobs.state, charges.state FROM charges JOIN jobs ON jobs.id = job"
    found = await journal.database.read(lambda connection: connection.execute(query).fetchall())
    await journal.aclose()
    return found


def counted(kind: str, vendor: Vendor, folder: Path) -> None:
    count = tally(kind)
    count.tried += 1
    count.billed += len(vendor.proxy.billed)
    count.stored += len([path for path in files_in(folder) if path.suffixes in ([".png"], [".jpg"])])


def asked(vendor: Vendor) -> ImageRequest:
    return ImageRequest(prompt="a fox", **vendor.asked)  # pyright: ignore[reportArgumentType]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, vendors: list[Vendor]) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(retry, "random", Quick())
    monkeypatch.setattr(flux_vendor, "POLL_EVERY", 0.01)
    for vendor in vendors:
        vendor.proxy.reset()
        vendor.emulator.script.clear()
        if isinstance(vendor.emulator, emulated.Flux):
            vendor.emulator.polls.script.clear()
            vendor.emulator.credits = 100.0


@pytest.mark.parametrize("host", ["http://127.0.0.1:9", "http://no-such-host.invalid"], ids=["refused", "no such name"])
async def test_a_vendor_that_cannot_be_reached_bills_nothing(
    vendors: list[Vendor], environ: Environ, today: Any, tmp_path: Path, host: str
) -> None:
    environ |= {**vendors[0].environ, "OPENAI_BASE_URL": f"{host}/v1"}
    async with a_desk(environ, today) as desk:
        with pytest.raises(ImageError) as caught:
            await desk.draw(asked(vendors[0]))
    assert caught.value.reason is Reason.NETWORK_ERROR
    assert not caught.value.outcome_unknown
    assert await books(environ) == [("failed", "released")]
    counted("connection refused" if "127" in host else "DNS failure", vendors[0], tmp_path)


async def test_a_poll_that_never_ends_ends_with_the_deadline_and_its_bill_is_kept(
    vendors: list[Vendor], environ: Environ, today: Any, tmp_path: Path
) -> None:
    vendor = vendors[1]
    environ |= {**vendor.environ, "ATELIER_TIMEOUT_SECONDS": "0.7"}
    assert isinstance(vendor.emulator, emulated.Flux)
    vendor.emulator.polls.next(*[emulated.state("Pending")] * 200)
    async with a_desk(environ, today) as desk:
        with pytest.raises(ImageError) as caught:
            await desk.draw(asked(vendor))
    assert caught.value.reason is Reason.TIMEOUT
    assert caught.value.facts["billed_usd"] == vendor.proxy.billed[0]
    assert [call for _, call in await books(environ)] == ["settled"]
    counted("poll that never ends", vendor, tmp_path)


async def test_a_link_that_has_expired_is_told_with_its_bill(
    vendors: list[Vendor], environ: Environ, today: Any, tmp_path: Path
) -> None:
    vendor = vendors[1]
    environ |= vendor.environ
    vendor.emulator.next(None, Answer(403, b"expired"))
    async with a_desk(environ, today) as desk:
        with pytest.raises(ImageError) as caught:
            await desk.draw(asked(vendor))
    assert caught.value.reason is Reason.INVALID_RESPONSE
    assert [call for _, call in await books(environ)] == ["settled"]
    counted("link that has expired", vendor, tmp_path)


async def test_a_disk_that_fills_while_the_vendor_works_costs_no_picture(
    vendors: list[Vendor], environ: Environ, today: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = vendors[0]
    environ |= vendor.environ
    write = Database.write

    async def full(self: Database, work: Any) -> Any:
        if vendor.proxy.billed:
            raise ImageError(Reason.STORAGE_FAILED, "database or disk is full")
        return await write(self, work)

    monkeypatch.setattr(Database, "write", full)
    async with a_desk(environ, today) as desk:
        result = await desk.draw(asked(vendor))
    assert isinstance(result, ImageResult)
    assert result.images[0].stored
    monkeypatch.undo()
    async with a_desk(environ, today) as desk:  # there is room again: the next start sets the books right
        await desk.recover()
        again = await desk.draw(asked(vendor))
    assert isinstance(again, ImageResult)
    assert again.id == result.id
    assert await books(environ) == [("done", "settled")]
    assert len(vendor.proxy.billed) == 1
    counted("disk that fills", vendor, tmp_path)


async def test_a_disk_that_is_full_from_the_start_sends_nothing(
    vendors: list[Vendor], environ: Environ, today: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = vendors[0]
    environ |= vendor.environ

    def full(*arguments: Any, **options: Any) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    async with a_desk(environ, today) as desk:
        with pytest.raises(ImageError) as caught:
            await desk.draw(asked(vendor))
    assert caught.value.reason is Reason.STORAGE_FAILED
    assert "disk is full" in caught.value.message
    assert vendor.proxy.requests == []


class Clock(datetime):
    """A clock that somebody set."""

    year_now = 2026

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(UTC).replace(year=cls.year_now)


@pytest.mark.parametrize("year", [2020, 2031])
async def test_a_clock_that_jumps_while_the_vendor_works_loses_nothing(
    vendors: list[Vendor], environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    vendor, days = vendors[0], [date(2026, 11, 21)]
    environ |= vendor.environ
    monkeypatch.setattr(jobs, "datetime", Clock)
    async with a_desk(environ, lambda: days[-1]) as desk, anyio.create_task_group() as tasks:
        tasks.start_soon(desk.draw, asked(vendor))
        while not vendor.proxy.requests:
            await anyio.sleep(0.01)
        days.append(date(year, 1, 1))
        monkeypatch.setattr(Clock, "year_now", year)
    assert await books(environ) == [("done", "settled")]
    assert len(vendor.proxy.billed) == 1
    counted("clock that jumps", vendor, tmp_path)
