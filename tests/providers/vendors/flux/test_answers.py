"""What comes back from Flux: the pictures with cost, seed and size, whatever else stands beside them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators import flux_rules as emulated
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.flux import PROVIDER
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def test_what_comes_back_is_told_with_cost_seed_and_size(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(emulated.PENDING, emulated.GENERATING, emulated.state("Polishing"))
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux", size="512x1024"))
    made = result.images[0].picture
    assert (made.format, made.width, made.height, made.seed) == ("jpeg", 512, 1024, emulated.SEED)
    assert made.prompt_used == "a fox"
    assert result.actual_usd == Decimal("0.03")
    assert result.details["request_id"] in flux.tasks
    assert result.details["output_mp"] == 0.5
    assert len(flux.polls.requests) == 4


ODD: tuple[Any, ...] = (None, [], {"odd": 1}, "odd", True, -1, 2**70, 1.5, float("nan"), float("inf"))
LISTED = Decimal("0.03")  # what the price list says
NO_PRICES: tuple[Any, ...] = (None, [], "odd", -1, 1_000_000, 1e300, 10**400, "NaN", "1e9999999", "Infinity")


@pytest.mark.parametrize("odd", ODD, ids=repr)
async def test_what_is_beside_the_point_does_not_cost_the_picture(with_flux: Environ, flux: Flux, odd: Any) -> None:
    task = {"id": odd, "polling_url": f"{flux.url}/v1/get_result?id=x", "input_mp": odd, "output_mp": odd}
    result = {"sample": f"{flux.url}/sample", "seed": odd, "prompt": odd, "expanded_prompt": odd}
    flux.next(Answer(200, task), emulated.state("Pending", result=odd), emulated.state("Ready", result=result))
    flux.next(Answer(200, png(64, 48)))
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        made = await pipeline.run(ImageRequest(prompt="a fox", model="flux"))
    assert (made.images[0].picture.width, made.actual_usd) == (64, Decimal("0.03"))
    assert json.dumps(dict(made.details), allow_nan=False)


@pytest.mark.parametrize("cost", NO_PRICES, ids=lambda cost: repr(cost)[:12])
async def test_what_is_no_price_is_not_told_as_one(with_flux: Environ, flux: Flux, cost: Any) -> None:
    flux.next(Answer(200, {"id": "c0ff", "polling_url": f"{flux.url}/v1/get_result?id=c0ff", "cost": cost}))
    flux.next(emulated.state("Ready", result={"sample": f"{flux.url}/sample"}), Answer(200, png(64, 48)))
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="flux"))).actual_usd == Decimal(
            "0.03"
        )  # the list price


async def test_several_pictures_are_several_tasks_with_a_seed_each_and_one_bill(with_flux: Environ, flux: Flux) -> None:
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux", count=3, seed=7))
    submits = [request.json for request in flux.requests if request.path == "/v1/flux-2-pro"]
    assert len(result.images) == len(submits) == 3
    assert sorted(submits, key=lambda body: body["seed"]) == [{"prompt": "a fox", "seed": seed} for seed in (7, 8, 9)]
    assert result.actual_usd == Decimal("0.09")
    assert len(set(result.details["request_ids"])) == 3


async def test_the_vendors_rewriting_of_the_prompt_is_told(with_flux: Environ, flux: Flux) -> None:
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux-3-image"))
    assert (result.images[0].format, result.images[0].prompt_used) == ("png", emulated.EXPANDED)


async def test_a_task_whose_polling_url_is_null_is_awaited_by_its_id(with_flux: Environ, flux: Flux) -> None:
    flux.next(Answer(200, {"id": "x", "polling_url": None}))
    flux.next(emulated.state("Ready", result={"sample": f"{flux.url}/sample"}), Answer(200, png(64, 48)))
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        made = await pipeline.run(ImageRequest(prompt="a fox", model="flux"))
    assert made.images[0].picture.width == 64
