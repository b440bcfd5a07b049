"""Comparing models: one prompt, one price, one contact sheet, separate images."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from mcp.types import CallToolResult
from PIL import Image

from atelier.providers.images.contact_sheet import Tile, contact_sheet
from atelier.providers.testing.emulators import flux_rules as flux_emulator
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, Slow
from tests.conftest import Connect, Environ, png
from tests.exhaustive import exhaustive
from tests.server.mcp.test_server import error, images, text

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "size": "1024x1024"}


@pytest.fixture
def vendors(with_openai: Environ, flux: Flux) -> Environ:
    """OpenAI and FLUX, both with a key."""
    with_openai |= {"BFL_API_KEY": flux_emulator.KEY, "BFL_BASE_URL": flux.url}
    return with_openai


def outcomes(result: CallToolResult) -> dict[str, dict[str, Any]]:
    assert result.structured_content is not None, text(result)
    return {each["model"]: each for each in result.structured_content["models"]}


async def test_each_model_makes_an_image_and_one_sheet_shows_them(connect: Connect, vendors: Environ) -> None:
    names = ["gpt-image-2", "flux-2-pro", "sketch"]
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "models": names})
        shown = await client.call_tool("get_image", {"id": outcomes(result)["flux/flux-2-pro"]["images"][0]})
    (sheet,) = images(result)
    with Image.open(io.BytesIO(base64.b64decode(sheet.data))) as opened:
        assert (opened.format, min(opened.size) > 700) == ("JPEG", True), opened.size
    assert result.structured_content is not None
    paths = [Path(image["path"]) for image in result.structured_content["images"]]
    assert len({path.read_bytes() for path in paths}) == 3
    found = outcomes(result)
    assert list(found) == ["openai/gpt-image-2", "flux/flux-2-pro", "sketch/sketch"]
    assert all(each["seconds"] >= 0 for each in found.values())
    together = sum(each["actual_usd"] for each in found.values())
    assert result.structured_content["actual_usd"] == pytest.approx(together) != 0
    assert all(name in text(result) for name in found)
    assert not shown.is_error


async def test_two_names_of_one_model_are_one_call_and_one_price(
    connect: Connect, vendors: Environ, openai: OpenAI
) -> None:
    async with connect() as client:
        names = ["openai", "openai/gpt-image-2.5-flare", "gpt-image-2.5-flare", "sketch"]
        result = await client.call_tool("generate_image", {**FOX, "models": names})
    found = outcomes(result)
    assert list(found) == ["openai/gpt-image-2.5-flare", "sketch/sketch"]
    assert result.structured_content is not None
    assert len(result.structured_content["images"]) == 2
    assert result.structured_content["actual_usd"] == found["openai/gpt-image-2.5-flare"]["actual_usd"]
    assert len(openai.requests) == 1


async def test_a_model_that_fails_costs_the_others_nothing(connect: Connect, vendors: Environ, openai: OpenAI) -> None:
    openai.script.append(Answer(400, {"error": {"code": "moderation_blocked", "message": "No foxes."}}))
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "models": ["gpt-image-2", "sketch"]})
    found = outcomes(result)
    assert "No foxes." in found["openai/gpt-image-2"]["error"]
    assert len(found["sketch/sketch"]["images"]) == 1
    assert "1 image by 1 of 2 models" in text(result)


@exhaustive
async def test_one_that_takes_longer_is_collected_later(connect: Connect, vendors: Environ, openai: OpenAI) -> None:
    vendors["ATELIER_WAIT_SECONDS"] = "0.5"
    openai.script.append(Slow(2))
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "models": ["gpt-image-2", "sketch"]})
        job = outcomes(result)["openai/gpt-image-2"]["job"]
        later = await client.call_tool("get_image", {"id": job})
        while later.structured_content and later.structured_content["status"] == "running":
            later = await client.call_tool("get_image", {"id": job})
    assert len(images(later)) == 1


@pytest.mark.parametrize(
    ("cap", "says"),
    [
        ("ATELIER_BUDGET_PER_CALL", "that one call may cost"),
        ("ATELIER_BUDGET_PER_DAY", "that is left today"),
        ("ATELIER_BUDGET_PER_MONTH", "that is left this month"),
        ("ATELIER_CONFIRM_ABOVE", "the user must confirm"),
    ],
)
async def test_the_sum_counts_against_the_caps_though_each_would_fit(
    connect: Connect, vendors: Environ, openai: OpenAI, flux: Flux, cap: str, says: str
) -> None:
    ask = {**FOX, "quality": "low"}
    async with connect() as client:
        prices = [await client.call_tool("estimate_cost", {**ask, "model": m}) for m in ("openai", "flux")]
    high = [each.structured_content["high_usd"] for each in prices if each.structured_content]
    vendors[cap] = str(round(max(high) + min(high) / 2, 6))
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "models": ["openai", "flux"]})
    assert error(result)["reason"] == "budget_exceeded"
    assert says in text(result)
    assert (openai.requests, flux.requests) == ([], [])


@pytest.mark.parametrize(
    "more", [{"model": "sketch"}, {"fallback": ["sketch"]}, {"deliver": "inline"}, {"save": False}, {"seed": 3}]
)
async def test_what_does_not_go_with_it_is_refused_before_anything_is_sent(
    connect: Connect, vendors: Environ, openai: OpenAI, more: dict[str, Any]
) -> None:
    async with connect() as client:
        result = await client.call_tool("generate_image", {**FOX, "models": ["gpt-image-2", "sketch"], **more})
    assert error(result)["reason"] in ("invalid_request", "unsupported_option")
    assert openai.requests == []


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_a_sheet_is_within_its_limit_and_shows_words_for_what_is_missing(count: int) -> None:
    tiles = [Tile(png(300, 200, "teal"), f"vendor/model-{n}", "$0.04, 3.1 s") for n in range(count - 1)]
    sheet = contact_sheet([*tiles, Tile(None, "vendor/broken", "The vendor refused the prompt." * 5)], 100 * 1024)
    assert len(sheet) <= 100 * 1024
    with Image.open(io.BytesIO(sheet)) as opened:
        red = opened.convert("RGB").getchannel("R").histogram()
    assert sum(red[:20]) > 10_000 * (count - 1), "teal has no red, and little else has so little"
