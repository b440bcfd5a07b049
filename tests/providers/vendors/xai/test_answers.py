"""What comes back from xAI: pictures, their exact cost, and what moderation leaves of them."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators import xai_rules as emulated
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Answer, Fault
from atelier.providers.vendors.xai import PROVIDER
from tests.conftest import Environ, png
from tests.providers.vendors.xai.conftest import edit, refused, source
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def test_the_cost_is_exact_and_the_request_id_is_told(with_xai: Environ, xai: XAI) -> None:
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(edit(source(), source(), quality="medium", resolution="2k", count=3))
        small = await pipeline.run(ImageRequest(prompt="a fox", model="grok-imagine-image"))
    assert result.actual_usd == Decimal("0.26")  # three at 0.08 and two sources at 0.01
    assert small.actual_usd == Decimal("0.02")
    assert result.details["request_id"] == "req_emulated_1"
    assert result.images[0].prompt_used == "a hat"  # the vendor sends an empty word


async def test_the_smallest_tick_is_not_rounded(with_xai: Environ, xai: XAI) -> None:
    item = {"b64_json": base64.b64encode(png(8, 8)).decode()}
    body = {"model": "grok-imagine-image-2.0", "data": [item], "usage": {"cost_in_usd_ticks": 12_345_678_901_671}}
    xai.next(Answer(200, body), Answer(200, {"data": [{**item, "revised_prompt": "a red fox"}]}))
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        exact = await pipeline.run(ImageRequest(prompt="a fox", model="xai"))
        silent = await pipeline.run(ImageRequest(prompt="a fox", model="xai"))
    assert exact.actual_usd == Decimal("1234.5678901671")
    assert exact.images[0].format == "png"  # looked at, not believed
    assert (silent.actual_usd, silent.images[0].prompt_used, silent.warnings) == (Decimal("0.06"), "a red fox", ())


ODD: tuple[Any, ...] = (None, [], {"odd": 1}, "odd", True, -1, 10**14, 1e300, 10**400, "1e9999999", float("nan"))


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
async def test_what_is_beside_the_point_does_not_cost_the_picture(with_xai: Environ, xai: XAI, odd: Any) -> None:
    item = {"b64_json": base64.b64encode(png(8, 8)).decode(), "revised_prompt": odd}
    for usage in (odd, {"cost_in_usd_ticks": odd}):
        xai.next(Answer(200, {"model": odd, "data": [item, odd], "usage": usage}))
        async with open_pipeline(PROVIDER, with_xai) as pipeline:
            result = await pipeline.run(ImageRequest(prompt="a fox", model="xai"))
        assert (len(result.images), result.actual_usd) == (1, Decimal("0.06"))
        xai.next(Answer(400, {"error": "Rejected by content moderation.", "code": odd, "usage": usage}))
        error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai)
        assert (error.reason, error.facts["cost_usd"]) == (Reason.CONTENT_POLICY, None)


@pytest.mark.parametrize("ticks", ["1e-9999", "0." + "3" * 5000, 10**14 - 1])
async def test_a_cost_is_told_in_few_words(with_xai: Environ, xai: XAI, ticks: Any) -> None:
    xai.next(emulated.withheld({"respect_moderation": False}, ticks=ticks))
    assert len((await refused(ImageRequest(prompt="a fox", model="xai"), with_xai)).hint) < 120


async def test_base64_may_come_as_a_data_url(with_xai: Environ, xai: XAI) -> None:
    xai.prefixed = True
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="xai"))).images[0].format == "jpeg"


# Moderation, and other ways to come back with less


async def test_what_moderation_let_through_is_delivered_with_a_warning(with_xai: Environ, xai: XAI) -> None:
    xai.withheld = 1
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="xai", count=3, quality="low"))
    assert len(result.images) == 2
    assert result.warnings == ("xAI sent 2 of 3 images; 1 did not pass the vendor's moderation.",)
    assert result.actual_usd == Decimal("0.12")


async def test_a_broken_picture_does_not_take_the_others_with_it(with_xai: Environ, xai: XAI) -> None:
    good = {"b64_json": base64.b64encode(png(8, 8)).decode(), "respect_moderation": True}
    xai.next(Answer(200, {"model": "grok-imagine-image-2.0", "data": [good, {"b64_json": "AAAA"}, {}]}))
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="xai", count=4))
    assert len(result.images) == 1
    assert result.warnings == ("xAI sent 1 of 4 images.",)


async def test_an_unusable_answer_tells_what_it_cost(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.withheld({"b64_json": "AAAA", "respect_moderation": True}, ticks=400_000_000))
    error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai)
    assert (error.reason, error.outcome_unknown) == (Reason.INVALID_RESPONSE, True)
    assert (error.facts["cost_usd"], error.facts["request_id"]) == ("0.04", "req_withheld")


PLACEHOLDER = {"respect_moderation": False, "b64_json": base64.b64encode(png(8, 8, "black")).decode()}


@pytest.mark.parametrize(
    ("fault", "cost", "hint"),
    [
        (emulated.withheld(), None, "may have billed"),
        (emulated.withheld({"respect_moderation": False, "url": ""}), None, "may have billed"),
        (emulated.withheld({"respect_moderation": False}, ticks=600_000_000), "0.06", "billed 0.06 USD"),
        (emulated.withheld(PLACEHOLDER, PLACEHOLDER, ticks=0), "0", "billed 0 USD"),
        (emulated.MODERATED, "0.02", "billed 0.02 USD"),
        (emulated.MODERATED_BY_CODE, "0.02", "billed 0.02 USD"),
        (emulated.MODERATED_FREE, None, "may have billed"),
    ],
)
async def test_every_form_of_moderation_is_a_matter_of_content_and_tells_its_cost(
    with_xai: Environ, xai: XAI, fault: Fault, cost: str | None, hint: str
) -> None:
    xai.next(fault)
    error = await refused(ImageRequest(prompt="a fox in the snow", model="xai", count=2), with_xai)
    assert (error.reason, error.retryable) == (Reason.CONTENT_POLICY, False)
    assert error.facts["cost_usd"] == cost
    assert error.outcome_unknown is (cost is None)  # what it cost is held against the budget until somebody knows
    assert error.facts["request_id"]
    assert hint in error.hint
    assert len(xai.requests) == 1
