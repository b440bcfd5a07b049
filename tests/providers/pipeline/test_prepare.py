"""Caps and consent: of one request, of several together, and the warning when a bill differs from its estimate."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.pipeline.admit import PricedRequest, check_and_price
from atelier.providers.pipeline.job_store import JobStore
from atelier.providers.pipeline.prepare import (
    check_budget,
    check_total,
    confirm_price,
    reservations_for,
    vendor_calls_for,
)
from atelier.providers.pipeline.result import cost_variance
from atelier.providers.pricing.budget import Budget, BudgetLeft, Caps
from atelier.providers.pricing.estimate import vendor_estimate
from tests.conftest import TODAY
from tests.vendors import SIX, only

pytestmark = pytest.mark.anyio

CATALOG = Catalog(lambda name: None, lambda: TODAY, only(*SIX))
NO_CAPS = Caps()


class Left:
    """A job store that knows what a caller may still spend, and who asked."""

    def __init__(self, day: str | None = None, month: str | None = None) -> None:
        self.left = BudgetLeft(day=Decimal(day) if day else None, month=Decimal(month) if month else None)
        self.asked = list[str]()

    async def budget_left(self, caller: str, caps: Caps) -> BudgetLeft:
        self.asked.append(caller)
        return self.left


def store(day: str | None = None, month: str | None = None) -> JobStore:
    return cast("JobStore", Left(day, month))


def priced(usual: str = "0.04", highest: str = "0.06", model: str = "gpt-image-2.5-flare") -> PricedRequest:
    """A request that usually costs one amount and at most another."""
    found = check_and_price(CATALOG, ImageRequest(prompt="a fox", model=model, size="1024x1024", quality="low"))
    assert found.estimate
    return replace(found, estimate=replace(found.estimate, total_usd=Decimal(usual), high_usd=Decimal(highest)))


def unpriced() -> PricedRequest:
    return replace(priced(), estimate=None)


async def total_of(
    *requests: PricedRequest, caps: Caps = NO_CAPS, left: JobStore | None = None, unpriced: bool = False
) -> None:
    await check_total(Budget(caps=caps, allow_unpriced=unpriced), left or store(), requests, "7", None)


async def refused(
    *requests: PricedRequest, caps: Caps = NO_CAPS, left: JobStore | None = None, unpriced: bool = False
) -> str:
    with pytest.raises(ImageError) as caught:
        await total_of(*requests, caps=caps, left=left, unpriced=unpriced)
    assert caught.value.reason is Reason.BUDGET_EXCEEDED
    return f"{caught.value.message} {caught.value.hint}"


async def test_what_several_models_may_cost_together_is_held_against_the_cap_of_a_call() -> None:
    caps = Caps(per_call=Decimal("0.12"))
    await total_of(priced(), priced(), caps=caps)  # exactly the cap
    said = await refused(priced(), priced(), priced(), caps=caps)
    assert said == (
        "3 models together may cost $0.18, which is more than the $0.12 that one call may cost "
        "(ATELIER_BUDGET_PER_CALL); nothing was sent. Take fewer models, or a cheaper model."
    )


@pytest.mark.parametrize(
    ("caps", "left", "says"),
    [
        (Caps(per_day=Decimal(1)), store(day="0.11"), "the $0.11 that is left today (ATELIER_BUDGET_PER_DAY, UTC)"),
        (
            Caps(per_month=Decimal(1)),
            store(month="0.11"),
            "the $0.11 that is left this month (ATELIER_BUDGET_PER_MONTH, UTC)",
        ),
    ],
)
async def test_and_against_what_is_left_of_the_day_and_of_the_month(caps: Caps, left: JobStore, says: str) -> None:
    await total_of(priced(), caps=caps, left=left)
    assert says in await refused(priced(), priced(), caps=caps, left=left)


async def test_the_ledger_is_asked_for_this_caller_and_only_where_there_is_a_cap() -> None:
    ledger = Left(day="1")
    await total_of(priced(), left=cast("JobStore", ledger))
    assert ledger.asked == []
    await total_of(priced(), caps=Caps(per_day=Decimal(1)), left=cast("JobStore", ledger))
    assert ledger.asked == ["7"]


async def test_one_unknown_price_refuses_all_under_a_cap_unless_that_is_allowed() -> None:
    caps = Caps(per_day=Decimal(1))
    assert "is not known" in await refused(priced(), unpriced(), caps=caps, left=store(day="1"))
    await total_of(priced(), unpriced(), caps=caps, left=store(day="1"), unpriced=True)
    said = await refused(priced(), unpriced(), caps=caps, left=store(day="0.05"), unpriced=True)
    assert said.startswith("2 models together may cost $0.06, which is more than the $0.05 that is left today")


async def test_consent_is_asked_once_for_the_sum() -> None:
    questions = list[str]()

    async def yes(question: str) -> bool:
        questions.append(question)
        return True

    await check_total(Budget(confirm_above=Decimal("0.12")), store(), [priced(), priced()], "7", yes)
    assert questions == []  # exactly the limit
    await check_total(Budget(confirm_above=Decimal("0.11")), store(), [priced(), priced()], "7", yes, noun="prompts")
    await check_total(Budget(confirm_above=Decimal(9)), store(), [priced(), unpriced()], "7", yes)
    assert questions == [
        "2 prompts together may cost $0.12. Go ahead?",
        "2 models together may cost $0.06 and more: a price is not known. Go ahead?",
    ]


async def no(question: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("confirm", "says"),
    [
        (None, ["the user must confirm costs above $0.05; nothing was sent.", "call again with confirm_cost=true."]),
        (no, ["and the user declined; nothing was sent.", "compare=true prices every model."]),
    ],
)
async def test_without_consent_nothing_is_sent_and_the_way_on_is_named(confirm: object, says: list[str]) -> None:
    with pytest.raises(ImageError) as caught:
        await confirm_price(Budget(confirm_above=Decimal("0.05")), priced(), cast("None", confirm))
    told = f"{caught.value.message} {caught.value.hint}"
    assert caught.value.reason is Reason.BUDGET_EXCEEDED
    assert told.startswith("1 image by openai/gpt-image-2.5-flare may cost $0.06, and ")
    assert all(words in told for words in says)


async def test_a_price_exactly_at_the_limit_needs_no_consent_and_an_unknown_one_does() -> None:
    await confirm_price(Budget(confirm_above=Decimal("0.06")), priced(), None)
    with pytest.raises(ImageError, match="the price is not known, and the user must confirm"):
        await confirm_price(Budget(confirm_above=Decimal(9)), unpriced(), None)


@pytest.mark.parametrize(
    ("caps", "left", "option"),
    [
        (Caps(per_call=Decimal("0.05")), store(), "ATELIER_BUDGET_PER_CALL"),
        (Caps(per_day=Decimal(1), per_month=Decimal(9)), store(day="0.05", month="9"), "ATELIER_BUDGET_PER_DAY"),
        (Caps(per_day=Decimal(1), per_month=Decimal(9)), store(day="1", month="0.05"), "ATELIER_BUDGET_PER_MONTH"),
    ],
)
async def test_before_a_person_is_asked_a_request_is_refused_by_the_cap_that_its_highest_price_exceeds(
    caps: Caps, left: JobStore, option: str
) -> None:
    budget = Budget(caps=caps, confirm_above=Decimal(0))
    await check_budget(CATALOG, budget, left, priced(highest="0.05"), "7")  # exactly what is left
    with pytest.raises(ImageError) as caught:
        await check_budget(CATALOG, budget, left, priced(), "7")
    assert (caught.value.reason, option in caught.value.message) == (Reason.BUDGET_EXCEEDED, True)
    assert "$0.05" in caught.value.message


def bill(request: PricedRequest, *amounts: str | None) -> list[str]:
    """The warnings of a request whose calls were billed these amounts, each estimated at four cents."""
    calls = [vendor_calls_for(CATALOG, store(), request, Caps())[0] for _ in amounts]
    for call, amount in zip(calls, amounts, strict=True):
        call.estimated, call.spent = Decimal("0.04"), None if amount is None else Decimal(amount)
    return cost_variance(request, calls)


async def test_a_bill_within_a_fifth_of_the_estimate_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    assert bill(priced(), "0.048") == bill(priced(), "0.032") == bill(priced(), "0.04", "0.05") == []
    assert bill(priced(), "0.09", None) == []  # one of them is not known
    assert caplog.records == []


async def test_any_other_is_told_with_the_sums_of_all_calls_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    request = priced()
    with caplog.at_level(logging.WARNING, "atelier"):
        assert bill(request, "0.049") == ["Billed $0.0490, where $0.04 was estimated, and up to $0.06 was possible."]
        assert bill(priced(highest="0.04"), "0.05", "0.05") == ["Billed $0.10, where $0.08 was estimated."]
    facts = vars(caplog.records[0])["facts"]
    assert caplog.records[0].message == "bill differs"
    assert facts == {
        "provider": "openai",
        "model": "gpt-image-2.5-flare",
        "job": request.job.id,
        "estimated_usd": Decimal("0.04"),
        "billed_usd": Decimal("0.049"),
    }


async def test_a_reservation_is_the_highest_price_of_its_own_call() -> None:
    request = priced()
    calls = vendor_calls_for(CATALOG, store(), request, Caps())
    (reserved,) = reservations_for(CATALOG, request, calls, "7")
    assert (reserved.usd, reserved.caller, reserved.job, reserved.id) == (
        Decimal("0.06"), "7", request.job.id, calls[0].id
    )  # fmt: skip
    assert (reserved.provider, reserved.model, reserved.operation, reserved.pictures) == (
        "openai", "gpt-image-2.5-flare", "generate", 1
    )  # fmt: skip
    free = check_and_price(CATALOG, ImageRequest(prompt="a fox", model="sketch"))
    assert reservations_for(CATALOG, free, vendor_calls_for(CATALOG, store(), free, Caps()), "7") == []


async def test_a_call_that_is_repeated_is_held_against_the_caps_of_its_caller() -> None:
    asked = list[tuple[str, Caps]]()

    class Retries:
        async def reserve_retry(self, id: str, caps: Caps) -> None:
            asked.append((id, caps))

    caps = Caps(per_day=Decimal(1))
    request = check_and_price(CATALOG, ImageRequest(prompt="a fox", model="gpt-image-2"))
    (one,) = vendor_calls_for(CATALOG, cast("JobStore", Retries()), request, caps)
    await one.reserve_retry()
    assert asked == [(one.id, caps)]
    assert one.id.startswith("chg_")


async def test_a_job_of_several_calls_reserves_the_price_of_each_call() -> None:
    request = check_and_price(CATALOG, ImageRequest(prompt="a fox", model="flux-2-pro", count=3))
    assert request.estimate
    reserved = [call.estimated for call in vendor_calls_for(CATALOG, store(), request, NO_CAPS)]
    assert reserved == 3 * [request.estimate.total_usd / 3]


async def test_a_price_that_the_vendor_stated_is_shared_among_the_calls_by_their_images() -> None:
    request = check_and_price(CATALOG, ImageRequest(prompt="a fox", model="flux-2-pro", count=3))
    quoted = replace(request, estimate=vendor_estimate(Decimal("0.60"), 3, "the vendor", "2026-11-30"))
    unlisted = cast("Catalog", SimpleNamespace(prices=CATALOG.prices.model_copy(update={"rows": (), "rates": ()})))
    reserved = [call.estimated for call in vendor_calls_for(unlisted, store(), quoted, NO_CAPS)]
    assert reserved == 3 * [Decimal("0.20")]
