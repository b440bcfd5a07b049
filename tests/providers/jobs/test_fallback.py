"""Fallback, the breaker, and timeouts that are tried again: what is passed over, what stays in the books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.identify import picture
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Dropped, Fault, Held, Slow
from atelier.server.settings import Settings
from tests.conftest import Environ, png
from tests.providers.jobs.conftest import FOX, Open

pytestmark = pytest.mark.anyio


async def test_a_vendor_that_is_down_is_passed_over_and_the_answer_says_so(
    service: Open, openai: OpenAI, rows: Callable[[], Any]
) -> None:
    openai.next(*[emulated.BROKEN_SERVER] * 4)
    async with service() as one:
        result = await one.submit(replace(FOX, quality=None), fallback=["stability", "sketch"])
    assert isinstance(result, ImageResult)
    assert result.provider == "sketch"
    assert "openai/gpt-image-2.5-flare failed" in result.warnings[0]
    assert "stability was skipped" in result.warnings[0]
    (row,) = await rows()
    assert (row.state, row.reserved_usd) == ("done", 0)


@pytest.mark.parametrize("fault", [emulated.MODERATED, Dropped()], ids=["refused", "perhaps billed"])
async def test_nobody_moves_on_after_a_refusal_or_a_possible_charge(service: Open, openai: OpenAI, fault: Any) -> None:
    openai.next(fault)
    async with service() as one:
        with pytest.raises(ImageError):
            await one.submit(FOX, fallback=["gpt-image-2"])
    assert len(openai.requests) == 1


async def test_a_fallback_that_is_no_model_is_refused_before_it_is_needed(service: Open, openai: OpenAI) -> None:
    async with service() as one:
        with pytest.raises(ImageError) as caught:
            await one.submit(FOX, fallback=["nonsense"])
    assert caught.value.reason is Reason.UNKNOWN_MODEL
    assert caught.value.message == "“fallback” is wrong. No model is called “nonsense”."
    assert openai.requests == []


async def test_one_that_cannot_do_the_operation_is_passed_over(
    service: Open, openai: OpenAI, with_openai: Environ
) -> None:
    with_openai["ATELIER_FALLBACK"] = "stable-image-core, gpt-image-2"
    openai.next(*[emulated.BROKEN_SERVER] * 4)
    edit = replace(FOX, operation=Operation.EDIT, sources=(picture(png(64, 64)),))
    async with service(fallback=Settings.from_environ(with_openai).fallback) as one:
        result = await one.submit(edit)
    assert result.model == "gpt-image-2"
    assert "stable-image-core was skipped" in result.warnings[0]


async def test_a_fallback_is_held_against_the_budget_anew(service: Open, openai: OpenAI, with_openai: Environ) -> None:
    with_openai["ATELIER_BUDGET_PER_CALL"] = "0.01"
    openai.next(*[emulated.BROKEN_SERVER] * 4)
    async with service() as one:
        with pytest.raises(ImageError) as caught:
            await one.submit(FOX, fallback=["gpt-image-2.6-flare"])
    assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert len(openai.requests) == 4


async def test_a_breaker_opens_and_says_so_without_asking(service: Open, openai: OpenAI) -> None:
    openai.next(*[emulated.BROKEN_SERVER] * 20)
    async with service() as one:
        for number in range(5):
            with pytest.raises(ImageError):
                await one.submit(ImageRequest(prompt=f"fox {number}", model="openai", quality="low", size="1024x1024"))
        asked = len(openai.requests)
        with pytest.raises(ImageError) as caught:
            await one.submit(FOX)
    assert "failed 5 times in a row" in caught.value.message
    assert caught.value.retry_after
    assert len(openai.requests) == asked


async def test_a_timeout_that_is_tried_again_leaves_both_in_the_books(
    service: Open, openai: OpenAI, with_openai: Environ, rows: Callable[[], Any]
) -> None:
    with_openai |= {"ATELIER_RETRY_TIMEOUTS": "true", "ATELIER_TIMEOUT_SECONDS": "1.5"}
    openai.next(Slow(2))
    async with service() as one:
        result = await one.submit(FOX)
    assert any("sent again" in warning for warning in result.warnings), result.warnings
    (row,) = await rows()
    assert len(openai.requests) == 2
    assert float(row.reserved_usd) == pytest.approx(0.005885 + 0.00592)


@pytest.mark.parametrize("first", [Held, Dropped], ids=["timeout", "dropped"])
@pytest.mark.parametrize("refusal", [emulated.BROKEN_SERVER, emulated.RATE_LIMITED], ids=["down", "rate limited"])
async def test_nobody_moves_on_after_a_cut_off_try_that_was_made_again_and_refused(
    service: Open,
    openai: OpenAI,
    with_openai: Environ,
    rows: Any,
    impatient: None,
    first: Callable[[], Fault],
    refusal: Fault,
) -> None:
    """The second try was free, but the first may be billed: another model could be a second bill."""
    with_openai |= {"ATELIER_RETRY_TIMEOUTS": "true", "ATELIER_TIMEOUT_SECONDS": "1.5"}
    openai.next(first(), *[refusal] * 10)
    async with service() as one:
        with pytest.raises(ImageError):
            await one.submit(FOX, fallback=["gpt-image-2", "sketch"])
    assert {request.json["model"] for request in openai.requests} == {"gpt-image-2.5-flare"}
    (row,) = await rows()
    assert (row.state, row.reserved_usd) == ("unknown", Decimal("0.00592"))


async def test_a_timeout_is_not_tried_again_where_the_budget_does_not_bear_both(
    service: Open, openai: OpenAI, rows: Callable[[], Any], with_openai: Environ
) -> None:
    with_openai |= {
        "ATELIER_RETRY_TIMEOUTS": "true",
        "ATELIER_TIMEOUT_SECONDS": "0.5",
        "ATELIER_BUDGET_PER_DAY": "0.008",
    }
    openai.next(Slow(3))
    async with service() as one:
        with pytest.raises(ImageError) as caught:
            await one.submit(FOX)
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.TIMEOUT, True)
    assert len(openai.requests) == 1
    (row,) = await rows()
    assert (row.state, row.reserved_usd) == ("unknown", Decimal("0.00592"))
