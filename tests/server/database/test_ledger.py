"""The ledger: nothing overshoots a cap, and whatever happens, its sums are true."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from atelier.providers.pricing.budget import Caps, Reservation
from atelier.server.database.jobs import SqlJobStore
from atelier.server.database.ledger import rounded, rounded_up
from atelier.server.database.process_lock import FileProcessLock
from atelier.server.database.schema import MICRO_USD
from atelier.server.database.sqlite import SqliteDatabase
from tests.exhaustive import exhaustive, sample
from tests.server.database.conftest import open_store

pytestmark = pytest.mark.anyio

DAY = date(2026, 11, 21)


def charge(id: str, usd: str | None = "0.04", caller: str = "1") -> Reservation:
    return Reservation(
        id=id,
        job="job_1",
        caller=caller,
        provider="openai",
        model="gpt-image-2",
        operation="generate",
        pictures=1,
        usd=None if usd is None else Decimal(usd),
    )


def ledger_at(place: str | Path, day: date = DAY) -> SqlJobStore:
    return open_store(str(place), day)


async def spent(ledger: SqlJobStore) -> Decimal:
    return sum((row.usd for row in await ledger.spend_by("model")), Decimal(0))


async def test_what_is_reserved_counts_until_it_is_released(place: str) -> None:
    ledger, caps = ledger_at(place), Caps(per_day=Decimal("0.10"))
    assert await ledger.reserve([charge("a"), charge("b")], caps) is None
    assert (await ledger.budget_left("1", caps)).day == Decimal("0.02")
    short = await ledger.reserve([charge("c")], caps)
    assert short is not None
    assert (short.period, short.cap, short.left) == ("day", Decimal("0.10"), Decimal("0.02"))
    await ledger.release_call("a")
    assert await ledger.reserve([charge("c")], caps) is None


async def test_all_charges_of_a_request_are_reserved_or_none(place: str) -> None:
    ledger, caps = ledger_at(place), Caps(per_month=Decimal("0.10"))
    assert await ledger.reserve([charge(str(n)) for n in range(3)], caps) is not None
    assert await spent(ledger) == 0


async def test_a_bill_counts_as_billed_and_an_unknown_outcome_as_reserved(place: str) -> None:
    ledger = ledger_at(place)
    await ledger.reserve([charge("a"), charge("b"), charge("c"), charge("d", None)], Caps())
    for id in "abcd":
        await ledger.mark_sent(id)
    await ledger.settle_call("a", Decimal("0.0123456"))
    await ledger.mark_call_unknown("b")
    await ledger.settle_call("c", None)
    await ledger.settle_call("d", None)
    (row,) = await ledger.spend_by("model")
    assert (row.name, row.calls, row.pictures) == ("openai/gpt-image-2", 4, 4)
    assert row.usd == Decimal("0.012346") + Decimal("0.08")
    assert row.unsettled_usd == Decimal("0.04")


async def test_what_has_ended_stays_so(place: str) -> None:
    ledger = ledger_at(place)
    await ledger.reserve([charge("a"), charge("b")], Caps())
    await ledger.mark_sent("a")
    await ledger.settle_call("a", Decimal("0.02"))
    await ledger.release_call("b")
    await ledger.release_call("a")
    await ledger.settle_call("b", Decimal("0.09"))
    await ledger.mark_call_unknown("a")
    assert await spent(ledger) == Decimal("0.02")


async def test_days_and_months_begin_anew_in_utc(place: str) -> None:
    caps = Caps(per_day=Decimal("0.05"), per_month=Decimal("0.10"))
    days = [date(2026, 11, 29), date(2026, 11, 30), date(2026, 11, 30), date(2026, 12, 1)]
    shorts = [await ledger_at(place, day).reserve([charge(str(n))], caps) for n, day in enumerate(days)]
    assert [short and short.period for short in shorts] == [None, None, "day", None]
    assert [row.name for row in await ledger_at(place).spend_by("day")] == ["2026-11-29", "2026-11-30", "2026-12-01"]
    (row,) = await ledger_at(place).spend_by("vendor", since=date(2026, 11, 30))
    assert row.usd == Decimal("0.08")


async def test_earlier_days_count_against_the_cap_of_their_month_and_not_of_another_day(place: str) -> None:
    november = [date(2026, 11, 1), date(2026, 11, 10), date(2026, 11, 20)]
    for n, day in enumerate([date(2026, 10, 31), *november]):
        assert await ledger_at(place, day).reserve([charge(str(n))], Caps()) is None
    ledger, caps = ledger_at(place, DAY), Caps(per_day=Decimal("0.05"), per_month=Decimal("0.15"))
    left = await ledger.budget_left("1", caps)
    assert (left.day, left.month) == (Decimal("0.05"), Decimal("0.03"))
    short = await ledger.reserve([charge("more")], caps)
    assert short is not None
    assert (short.period, short.cap, short.left) == ("month", Decimal("0.15"), Decimal("0.03"))
    assert await ledger.reserve_retry("1", caps) == short  # a second try is held against the month as well
    assert await ledger.reserve([charge("less", "0.03")], caps) is None


async def test_what_another_caller_spent_counts_against_no_cap(place: str) -> None:
    for n, day in enumerate([date(2026, 11, 10), DAY]):
        assert await ledger_at(place, day).reserve([charge(str(n), caller="2")], Caps()) is None
    ledger, caps = ledger_at(place, DAY), Caps(per_day=Decimal("0.05"), per_month=Decimal("0.05"))
    left = await ledger.budget_left("1", caps)
    assert (left.day, left.month) == (Decimal("0.05"), Decimal("0.05"))
    assert await ledger.reserve([charge("a")], caps) is None


async def test_a_charge_of_exactly_what_is_left_fits_and_a_micro_dollar_more_does_not(place: str) -> None:
    ledger, caps = ledger_at(place), Caps(per_day=Decimal("0.05"), per_month=Decimal("0.05"))
    assert await ledger.reserve([charge("a", "0.050001")], caps) is not None
    assert await ledger.reserve([charge("a", "0.05")], caps) is None


async def test_each_caller_has_a_budget_of_their_own(place: str) -> None:
    ledger, caps = ledger_at(place), Caps(per_day=Decimal("0.05"))
    assert await ledger.reserve([charge("a")], caps) is None
    assert await ledger.reserve([charge("b")], caps) is not None
    assert await ledger.reserve([charge("c", caller="2")], caps) is None
    assert [row.name for row in await ledger.spend_by("caller")] == ["1", "2"]


async def test_many_callers_in_one_process_cannot_overshoot(place: str) -> None:
    ledger, caps, taken = ledger_at(place), Caps(per_day=Decimal("0.40")), list[str]()

    async def call(id: str) -> None:
        if await ledger.reserve([charge(id)], caps) is None:
            taken.append(id)

    async with anyio.create_task_group() as tasks:
        for n in range(40):
            tasks.start_soon(call, str(n))
    assert len(taken) == 10
    assert await spent(ledger) == Decimal("0.40")


CALLER = """
import sys, anyio
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tests.server.database.test_ledger import charge, ledger_at
from atelier.providers.pricing.budget import Caps

async def main(folder, name):
    ledger, caps, taken = ledger_at(folder), Caps(per_day=Decimal("1.00")), 0
    sys.stdin.readline()
    async def call(id):
        nonlocal taken
        if await ledger.reserve([charge(id)], caps) is None:
            await ledger.mark_sent(id)
            taken += 1
    async with anyio.create_task_group() as tasks:
        for n in range(30):
            tasks.start_soon(call, f"{name}{n}")
    print(taken)

anyio.run(main, sys.argv[1], sys.argv[2])
"""


@exhaustive
def test_two_processes_on_one_journal_cannot_overshoot(place: str) -> None:
    run = [sys.executable, "-c", CALLER, place]
    both = [subprocess.Popen([*run, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for name in "ab"]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = [int(process.communicate(timeout=60)[0]) for process in both]
    assert sum(taken) == 25  # of 60 that were wanted
    assert anyio.run(spent, ledger_at(place)) == Decimal("1.00")


STEPS = """
import os, signal, sys, anyio
from decimal import Decimal
from pathlib import Path
from atelier.providers.pricing.budget import Caps
from tests.server.database.test_ledger import charge, ledger_at

async def main(folder, last):
    ledger = ledger_at(folder)
    steps = [
        lambda: ledger.reserve([charge("a"), charge("b"), charge("c")], Caps()),
        lambda: ledger.mark_sent("a"), lambda: ledger.settle_call("a", Decimal("0.01")),
        lambda: ledger.mark_sent("b"), lambda: ledger.release_call("b"),
        lambda: ledger.mark_sent("c"), lambda: ledger.mark_call_unknown("c"),
    ]
    for step in steps[:last]:
        await step()
    os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main, sys.argv[1], int(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(
    ("last", "counted"),
    sample(
        [(0, "0"), (1, "0.12"), (2, "0.12"), (3, "0.09"), (4, "0.09"), (5, "0.05"), (6, "0.05"), (7, "0.05")],
        [(1, "0.12"), (6, "0.05")],
    ),
)
async def test_a_process_that_is_killed_between_two_steps_leaves_true_sums(place: str, last: int, counted: str) -> None:
    done = await anyio.run_process([sys.executable, "-c", STEPS, place, str(last)], check=False)
    assert done.returncode == -9, done.stderr
    ledger = ledger_at(place)
    assert await spent(ledger) == Decimal(counted)
    assert await ledger.reserve([charge("next")], Caps(per_day=Decimal(counted) + Decimal("0.04"))) is None


class Interleaved(RuleBasedStateMachine):
    """Any order of reservations and their ends, against sums kept by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        self.cap = 100_000
        self.database = SqliteDatabase(Path(self.folder) / "journal.db")
        self.ledger = SqlJobStore(self.database, FileProcessLock(Path(self.folder) / "processes"), lambda: DAY)
        self.open: dict[str, int] = {}
        self.closed = 0
        self.count = 0

    @rule(amounts=some.lists(some.integers(0, 30_000), min_size=1, max_size=3))
    def reserve(self, amounts: list[int]) -> None:
        self.count += 1
        charges = [charge(f"{self.count}.{n}", str(amount * MICRO_USD)) for n, amount in enumerate(amounts)]
        short = anyio.run(self.ledger.reserve, charges, Caps(per_day=self.cap * MICRO_USD))
        fits = sum(amounts) <= self.cap - self.closed - sum(self.open.values())
        assert (short is None) == fits
        if fits:
            self.open |= {each.id: amount for each, amount in zip(charges, amounts, strict=True)}

    @rule(chance=some.randoms(), how=some.sampled_from(["settle", "release", "keep"]), usd=some.integers(0, 50_000))
    def end(self, chance: Any, how: str, usd: int) -> None:
        if not self.open:
            return
        id = chance.choice(sorted(self.open))
        amount = self.open.pop(id)
        if how != "release":
            anyio.run(self.ledger.mark_sent, id)
        match how:
            case "settle":
                anyio.run(self.ledger.settle_call, id, usd * MICRO_USD)
                self.closed += usd
            case "release":
                anyio.run(self.ledger.release_call, id)
            case _:
                anyio.run(self.ledger.mark_call_unknown, id)
                self.closed += amount

    @rule()
    def reopen(self) -> None:
        anyio.run(self.database.aclose)
        self.database = SqliteDatabase(Path(self.folder) / "journal.db")
        self.ledger = SqlJobStore(self.database, FileProcessLock(Path(self.folder) / "processes"), lambda: DAY)

    @invariant()
    def balanced(self) -> None:
        assert anyio.run(spent, self.ledger) == (self.closed + sum(self.open.values())) * MICRO_USD

    def teardown(self) -> None:
        anyio.run(self.database.aclose)
        self.temporary.cleanup()


TestInterleaved = Interleaved.TestCase
TestInterleaved.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@given(some.decimals(0, 10_000, places=10))
def test_rounding_never_reserves_less_than_the_price(usd: Decimal) -> None:
    assert 0 <= rounded_up(usd) - usd < MICRO_USD
    assert abs(rounded(usd) - usd) <= Decimal("0.0000005")


@pytest.mark.parametrize(("usd", "nearest", "up"), [("0.0000025", 3, 3), ("0.0000024", 2, 3), ("0.000002", 2, 2)])
def test_a_bill_is_rounded_to_the_nearest_micro_dollar_and_a_reservation_up(usd: str, nearest: int, up: int) -> None:
    assert (rounded(Decimal(usd)), rounded_up(Decimal(usd))) == (nearest * MICRO_USD, up * MICRO_USD)


def test_money_survives_json() -> None:
    assert json.dumps(float(rounded(Decimal("0.1")))) == "0.1"


async def test_a_call_that_was_not_sent_can_be_neither_settled_nor_unknown(place: str) -> None:
    ledger = ledger_at(place)
    await ledger.reserve([charge("a")], Caps())
    await ledger.settle_call("a", Decimal("0.02"))
    await ledger.mark_call_unknown("a")
    (row,) = await ledger.spend_by("vendor")
    assert row.usd == row.unsettled_usd == Decimal("0.04")


async def test_the_usual_time_is_the_median_of_the_callers_own_calls_of_the_model(place: str) -> None:
    today = datetime.now(UTC).date()
    ledger = ledger_at(place, today)
    assert await ledger.usual_seconds("1", "openai/gpt-image-2") is None
    for id in ("a", "b"):
        assert await ledger.reserve([charge(id)], Caps()) is None
        await ledger.mark_sent(id)
    await anyio.sleep(0.05)
    await ledger.settle_call("a", Decimal("0.04"))
    usual = await ledger.usual_seconds("1", "openai/gpt-image-2")
    assert usual is not None
    assert 0.04 < usual < 30
    assert await ledger.usual_seconds("2", "openai/gpt-image-2") is None
    assert await ledger.usual_seconds("1", "openai/gpt-image-1") is None
