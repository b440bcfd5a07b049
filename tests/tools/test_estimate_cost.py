"""estimate_cost: a price for anything that could be drawn, without a key and without a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.types import CallToolResult

from atelier.providers.testing.emulators.openai import OpenAI
from tests.conftest import Connect, Environ
from tests.server.mcp.test_server import error, text

pytestmark = pytest.mark.anyio


async def estimate(connect: Connect, **arguments: Any) -> CallToolResult:
    async with connect() as client:
        return await client.call_tool("estimate_cost", arguments)


async def told(connect: Connect, **arguments: Any) -> dict[str, Any]:
    result = await estimate(connect, **arguments)
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    return result.structured_content


async def test_a_price_needs_no_key(connect: Connect) -> None:
    price = await told(connect, model="stability", n=4)
    assert (price["provider"], price["model"], price["basis"]) == ("stability", "stable-image-core", "credits")
    assert (price["per_image_usd"], price["total_usd"]) == (0.03, 0.12)
    assert price["low_usd"] == price["high_usd"] == 0.12
    assert price["source"]
    assert price["as_of"]


async def test_the_arithmetic_is_shown(connect: Connect) -> None:
    result = await estimate(connect, prompt="a fox", model="gpt-image-2", size="1024x1024", quality="medium")
    assert "1,756" in text(result)
    assert "$30" in text(result)
    assert (result.structured_content or {})["basis"] == "tokens"


async def test_a_free_image_needs_no_explanation(connect: Connect) -> None:
    async with connect() as client:
        said = text(await client.call_tool("estimate_cost", {"model": "sketch"}))
    assert said == "About $0 (free) for 1 image by sketch/sketch."


async def test_an_open_quality_is_a_range(connect: Connect) -> None:
    price = await told(connect, prompt="a fox", model="gpt-image-2", size="1024x1024")
    assert price["low_usd"] <= price["total_usd"] < price["high_usd"]
    assert price["high_usd"] > 0.2


@pytest.mark.parametrize(
    ("operation", "usd"),
    [("upscale", 0.02), ("erase", 0.05), ("inpaint", 0.05), ("remove_background", 0.05), ("search_replace", 0.05)],
)
async def test_an_edit_is_priced_without_its_picture(connect: Connect, operation: str, usd: float) -> None:
    more = {"search": "the hat"} if operation == "search_replace" else {}
    price = await told(connect, model="stability", operation=operation, **more)
    assert price["total_usd"] == usd
    assert any("1024x1024 is assumed" in warning for warning in price["warnings"]), price["warnings"]


async def test_a_picture_on_the_web_is_not_fetched(connect: Connect, openai: OpenAI) -> None:
    price = await told(connect, model="gpt-image-2", image=f"{openai.url}/picture.png", prompt="red", size="1024x1024")
    assert price["total_usd"] > 0
    assert openai.requests == []


async def test_what_is_impossible_is_refused_as_it_would_be_when_drawn(connect: Connect) -> None:
    refused = error(await estimate(connect, prompt="a fox", model="gemini", quality="max"))
    assert refused["reason"] == "unsupported_option"
    unknown = error(await estimate(connect, prompt="a fox", colour="red"))
    assert unknown["reason"] == "invalid_request"


async def test_the_end_of_a_model_is_told(connect: Connect) -> None:
    price = await told(connect, prompt="a fox", model="gpt-image-1.5", quality="low", size="1024x1024")
    assert any("2026-12-01" in warning for warning in price["warnings"]), price["warnings"]


async def test_an_unknown_price_is_told_as_that(connect: Connect) -> None:
    result = await estimate(connect, prompt="a fox", model="openai/gpt-image-9")
    assert "not known" in text(result)
    assert "total_usd" not in (result.structured_content or {})


async def test_a_comparison_goes_from_cheap_to_dear_and_tells_what_each_cannot(
    connect: Connect, environ: Environ
) -> None:
    environ |= {"OPENAI_API_KEY": "sk-x", "XAI_API_KEY": "xai-x"}
    price = await told(connect, prompt="a fox", n=2, quality="low", size="1024x1024", compare=True)
    rows = {row["model"]: row for row in price["models"]}
    costs = [row["total_usd"] for row in price["models"] if "total_usd" in row]
    assert costs == sorted(costs)
    assert {name.partition("/")[0] for name in rows} == {"openai", "xai", "sketch"}
    assert set(rows["xai/grok-imagine-image"]["cannot"]) == {"size", "quality"}
    assert "cannot" not in rows["openai/gpt-image-2.5-flare"]


async def test_without_any_key_every_vendor_is_compared(connect: Connect) -> None:
    result = await estimate(connect, prompt="a fox", compare=True)
    price = dict[str, Any](result.structured_content or {})
    assert {row["model"].partition("/")[0] for row in price["models"]} >= {
        "openai",
        "gemini",
        "flux",
        "xai",
        "stability",
    }
    assert len(json.dumps(price)) < 8000


async def test_what_is_left_of_the_budget_is_told(connect: Connect, environ: Environ) -> None:
    environ |= {"ATELIER_BUDGET_PER_DAY": "2.5", "ATELIER_BUDGET_PER_MONTH": "40"}
    result = await estimate(connect, prompt="a fox", model="stability")
    price = dict[str, Any](result.structured_content or {})
    assert (price["left_today_usd"], price["left_this_month_usd"]) == (2.5, 40)
    assert "$2.50 today, $40.00 this month" in text(result)


async def test_a_budget_that_is_used_up_is_told_as_nothing(connect: Connect, environ: Environ) -> None:
    environ["ATELIER_BUDGET_PER_DAY"] = "0"
    assert "Left of the budget: $0 today." in text(await estimate(connect, prompt="a fox", model="stability"))


async def test_a_price_needs_no_ledger_that_can_be_written(connect: Connect, environ: Environ, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    environ["ATELIER_STATE_DIR"] = str(tmp_path / "file" / "state")
    price = await told(connect, model="stability")
    assert price["total_usd"] == 0.03
    assert "warnings" not in price
    environ["ATELIER_BUDGET_PER_DAY"] = "1"
    price = await told(connect, model="stability")
    assert price["total_usd"] == 0.03
    assert "left_today_usd" not in price
    assert any("budget is not known" in warning for warning in price["warnings"]), price["warnings"]


@pytest.mark.parametrize("more", [{"strength": 0.5}, {"image": "https://example.org/fox.png"}, {"search": "hat"}])
async def test_a_generation_with_what_only_a_change_has_is_refused(connect: Connect, more: dict[str, Any]) -> None:
    refused = await estimate(connect, prompt="a fox", operation="generate", **more)
    assert error(refused)["reason"] == "invalid_request"
    assert next(iter(more)) in text(refused)


async def test_a_strength_alone_is_one_of_a_change(connect: Connect) -> None:
    price = await told(connect, prompt="a fox", strength=0.5, model="stable-image-ultra")
    assert any("1024x1024 is assumed" in warning for warning in price["warnings"]), price["warnings"]
    assert (
        error(await estimate(connect, prompt="a fox", strength=0.5, model="openai"))["reason"] == "unsupported_option"
    )


async def test_one_model_is_no_plural(connect: Connect, environ: Environ) -> None:
    environ["STABILITY_API_KEY"] = "sk-0123456789"
    result = await estimate(connect, operation="recolor", prompt="red", search="hat", compare=True)
    assert "1 model can do it" in text(result)


async def test_a_comparison_tells_in_data_as_well_what_it_assumed(connect: Connect) -> None:
    price = await told(connect, prompt="red", operation="edit", compare=True)
    assert price["warnings"] == ["A source image of 1024x1024 is assumed."]
