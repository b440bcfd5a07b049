"""Tests of one vendor call's bookkeeping: what a repeat reserves, and what a failure is settled at."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import Usage
from atelier.providers.core.types import Endpoint, ImageRequest
from atelier.providers.pipeline.job_store import JobStore
from atelier.providers.pipeline.vendor_call import VendorCall
from atelier.providers.pricing.budget import CapExceeded, Caps
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.sketch import PROVIDER

pytestmark = pytest.mark.anyio

VENDOR = Endpoint(base_url="http://vendor.example")
JOB = Job(id="job_1", request=ImageRequest(prompt="a fox"), model=PROVIDER.models[0], endpoint=VENDOR)
PER_TOKEN = Decimal("0.001")


class Rows:
    """Records what is written of a call. `short` is the cap that a further reservation would exceed."""

    def __init__(self, short: CapExceeded | None = None) -> None:
        self.short = short
        self.reserved = True
        self.written: list[tuple[Any, ...]] = []

    async def reserve_retry(self, id: str, caps: Caps) -> CapExceeded | None:
        return self.short

    async def mark_sent(self, id: str) -> bool:
        self.written.append(("sent",))
        return self.reserved

    async def settle_call(self, id: str, usd: Decimal | None) -> None:
        self.written.append(("settled", usd))

    async def release_call(self, id: str) -> None:
        self.written.append(("released",))

    async def mark_call_unknown(self, id: str) -> None:
        self.written.append(("unknown",))


def by_tokens(job: Job, reply: Reply) -> Decimal | None:
    assert job is JOB
    assert reply.pictures == ()
    return PER_TOKEN * reply.usage.output_tokens if reply.usage else None


def call(rows: Rows) -> VendorCall:
    return VendorCall("call_1", cast("JobStore", rows), JOB, by_tokens, Decimal("0.05"), Caps())


async def test_a_repeat_that_the_budget_does_not_cover_is_refused_with_a_way_out() -> None:
    one = call(Rows(CapExceeded(period="day", cap=Decimal(1), left=Decimal(0))))
    with pytest.raises(ImageError, match="budget of this day") as caught:
        await one.reserve_retry()
    assert (caught.value.reason, caught.value.hint) == (Reason.BUDGET_EXCEEDED, "Raise the cap, or wait.")
    assert one.possibly_billed_twice == 0


async def test_each_repeat_counts_as_one_more_possible_bill() -> None:
    one = call(Rows())
    await one.reserve_retry()
    await one.reserve_retry()
    assert one.possibly_billed_twice == 2


async def test_a_refusal_that_counts_tokens_is_settled_at_them_and_says_so() -> None:
    rows = Rows()
    one, refusal = call(rows), ImageError(Reason.CONTENT_POLICY, "No.", facts={"usage": Usage(output_tokens=30)})
    await one.mark_sent()
    await one.close_failed(refusal)
    assert rows.written == [("sent",), ("settled", Decimal("0.030"))]
    assert (one.spent, one.state, refusal.facts["billed_usd"]) == (Decimal("0.030"), "closed", Decimal("0.030"))


async def test_a_refusal_without_a_bill_is_released_once_and_has_no_amount() -> None:
    rows = Rows()
    one, refusal = call(rows), ImageError(Reason.CONTENT_POLICY, "No.")
    await one.mark_sent()
    await one.close_failed(refusal)
    await one.close_failed(refusal)
    assert rows.written == [("sent",), ("released",)]
    assert one.spent == 0
    assert "billed_usd" not in refusal.facts


async def test_an_unexpected_error_after_sending_leaves_the_outcome_unknown() -> None:
    rows = Rows()
    one = call(rows)
    await one.mark_sent()
    one.set_in_flight(True)
    await one.close_failed(RuntimeError("a bug"))
    assert (rows.written, one.spent) == ([("sent",), ("unknown",)], None)


async def test_images_that_came_and_could_not_be_kept_are_settled_at_their_bill() -> None:
    rows = Rows()
    one = call(rows)
    await one.mark_sent()
    one.set_in_flight(True)
    one.spent, one.state = Decimal("0.07"), "billed"
    await one.close_failed(OSError("the disk is full"))
    assert rows.written == [("sent",), ("settled", Decimal("0.07"))]
    assert (one.spent, one.state) == (Decimal("0.07"), "closed")


async def test_a_call_whose_reservation_another_process_released_is_not_sent() -> None:
    rows = Rows()
    rows.reserved, one = False, call(rows)
    with pytest.raises(ImageError, match="Nothing was sent") as caught:
        await one.mark_sent()
    await one.close_failed(caught.value)
    assert (caught.value.reason, rows.written[-1], one.spent) == (Reason.STORAGE_FAILED, ("released",), Decimal(0))


async def test_a_call_that_was_cancelled_before_it_was_in_flight_is_released() -> None:
    rows = Rows()
    one = call(rows)
    await one.mark_sent()
    await one.close_failed(BaseException())
    assert (rows.written, one.state) == ([("sent",), ("released",)], "closed")


async def test_a_call_whose_outcome_is_unknown_is_closed_once() -> None:
    rows = Rows()
    one = call(rows)
    await one.mark_sent()
    one.set_in_flight(True)
    for _ in range(2):
        await one.close_failed(ImageError(Reason.TIMEOUT, "Late.", facts={"outcome": "unknown"}))
    assert rows.written == [("sent",), ("unknown",)]


@pytest.mark.parametrize(
    ("task", "resumed", "error", "collectable"),
    [
        ({"id": "t"}, False, ImageError(Reason.TIMEOUT, "Late.", facts={"collectable": True}), True),
        ({"id": "t"}, False, ImageError(Reason.CONTENT_POLICY, "No."), False),
        ({"id": "t"}, False, RuntimeError("a bug"), True),
        (None, True, RuntimeError("a bug"), True),
        (None, False, RuntimeError("a bug"), False),
        (None, False, ImageError(Reason.TIMEOUT, "Late.", facts={"collectable": True}), False),
        ({"id": "t"}, False, BaseException("cancelled"), False),
    ],
)
async def test_a_failed_call_can_be_collected_where_the_vendor_has_a_task_and_may_still_finish_it(
    task: dict[str, str] | None, resumed: bool, error: BaseException, collectable: bool
) -> None:
    one = call(Rows())
    if resumed:
        one.resume([])
    one.task = task
    await one.close_failed(error)
    assert one.collectable is collectable


@pytest.mark.parametrize(
    ("more", "task", "resumed", "collectable"),
    [(True, {"id": "t"}, False, True), (True, None, True, True), (True, None, False, False), (False, {}, True, False)],
)
async def test_a_reply_with_too_few_images_can_be_collected_again_by_its_task(
    more: bool, task: dict[str, str] | None, resumed: bool, collectable: bool
) -> None:
    one = call(Rows())
    if resumed:
        one.resume([])
    one.task = task
    one.record_reply(Reply(pictures=(), collectable=more))
    assert one.collectable is collectable


async def test_a_reply_that_cannot_be_kept_is_billed_and_not_unknown() -> None:
    rows = Rows()
    one = call(rows)
    await one.mark_sent()
    one.set_in_flight(True)
    one.record_reply(Reply(pictures=(), usage=Usage(output_tokens=20)))
    await one.close_failed(OSError("the disk is full"))
    assert rows.written == [("sent",), ("settled", Decimal("0.020"))]


async def test_a_refusal_after_a_repeat_leaves_the_cost_unknown_since_the_first_may_have_been_billed() -> None:
    rows = Rows()
    one = call(rows)
    await one.mark_sent()
    await one.reserve_retry()
    await one.close_failed(ImageError(Reason.CONTENT_POLICY, "No."))
    assert (rows.written, one.spent) == ([("sent",), ("released",)], None)


class AwayRows(Rows):
    """Cannot be written while `away`."""

    away = True

    async def settle_call(self, id: str, usd: Decimal | None) -> None:
        await self._record(("settled", usd))

    async def save_vendor_task(self, id: str, task: Any) -> None:
        await self._record(("task", task["id"]))

    async def _record(self, row: tuple[Any, ...]) -> None:
        if self.away:
            raise ImageError(Reason.STORAGE_FAILED, "The database is away.")
        self.written.append(row)


async def test_what_could_not_be_written_is_written_later_once_and_in_its_order() -> None:
    rows = AwayRows()
    one = call(rows)
    await one.save_vendor_task({"id": "t"})
    await one.settle()
    with pytest.raises(ImageError, match="away"):
        await one.flush_pending_writes()
    rows.away = False
    await one.flush_pending_writes()
    await one.flush_pending_writes()
    assert rows.written == [("task", "t"), ("settled", 0)]
