"""list_models as a host meets it: what is listed, what is left out, and how large it may grow."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest
from mcp.types import CallToolResult, TextContent

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.catalog.catalog_overlay import overlaid, parse_answer
from atelier.providers.core.concurrency import no_progress
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Operation
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.vendors.contract import Provider
from atelier.providers.vendors.registry import all_providers
from atelier.tools.list_models import run
from atelier.tools.parameters.tool_parameters import ListModels
from atelier.tools.tool import Answer, Call
from tests.conftest import TODAY, Connect, Environ
from tests.exhaustive import sample
from tests.vendors import SIX, only

pytestmark = pytest.mark.anyio

LOCAL = {p.endpoint.base_url_variable: "http://127.0.0.1:1" for p in all_providers() if p.endpoint.is_local}
KEYS = LOCAL | {name: "key-0123456789" for p in all_providers() for name in p.endpoint.key_variables[:1]}
GATEWAYS = {
    p.endpoint.base_url_variable: "https://gateway.example/v1" for p in all_providers() if p.endpoint.key_variables
}
VENDORS = [p.name for p in all_providers()]


async def listed(
    environ: Environ, today: date = TODAY, providers: tuple[Provider, ...] = all_providers(), **asked: Any
) -> Answer:
    service = ImageService(Pipeline(Catalog(environ.get, lambda: today, only(*providers))))
    return await run(ListModels(**asked), service, Call(caller="1", on_progress=no_progress))


def data(answer: Answer) -> dict[str, Any]:
    return answer.data.model_dump(mode="json", exclude_none=True)


def bytes_of(answer: Answer) -> tuple[int, int]:
    """Of the text, and of the structured part."""
    return len(answer.text.encode()), len(json.dumps(data(answer), ensure_ascii=False).encode())


def ids(answer: Answer) -> list[str]:
    """Every id of the structured rows."""
    return [id for row in data(answer)["models"] for id in row["ids"]]


async def test_it_is_served_and_asks_nobody(connect: Connect, with_openai: Environ, openai: OpenAI) -> None:
    async with connect() as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == "list_models"]
        result = await client.call_tool("list_models", {"vendor": "OpenAI"})
    assert tool.annotations is not None
    assert tool.annotations.read_only_hint
    assert tool.input_schema["properties"]["operation"]["enum"] == [operation.value for operation in Operation]
    assert text(result).startswith("Ready: openai.")
    assert result.structured_content is not None
    assert result.structured_content["models"][0]["ids"][0] == "gpt-image-2.5-flare"
    assert openai.requests == []


@pytest.mark.parametrize(("asked", "most"), [({}, 8_000), ({"vendor": "flux"}, 9_000), ({"operation": "edit"}, 12_000)])
async def test_the_whole_answer_reaches_the_host(
    connect: Connect, environ: Environ, asked: dict[str, Any], most: int
) -> None:
    environ |= KEYS
    async with connect() as client:
        result = await client.call_tool("list_models", asked)
    answer = await listed(environ, **asked)
    assert (text(result), result.structured_content) == (answer.text, data(answer))
    assert sum(bytes_of(answer)) < most


def text(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def test_unfiltered_it_names_every_working_model_within_the_budget() -> None:
    answer = await listed(KEYS, providers=SIX)
    words, structured = bytes_of(answer)
    assert words + structured < 8_000
    assert structured < 2_100
    told = {vendor["name"]: vendor["models"] for vendor in data(answer)["vendors"]}
    assert list(told) == [provider.name for provider in SIX]
    for provider in SIX:
        working = [provider.model_name(row.id) for row in provider.models if row.lifecycle.at(TODAY) != "retired"]
        assert told[provider.name][0] == provider.model_name(provider.default)
        assert sorted(told[provider.name]) == sorted(working)
        assert all(id in answer.text for id in working), working
    assert "models" not in data(answer)


async def test_unfiltered_the_data_names_every_model_of_every_vendor_within_the_budget() -> None:
    answer = await listed(KEYS)
    words, structured = bytes_of(answer)
    assert words + structured < 8_000
    told = {vendor["name"]: vendor for vendor in data(answer)["vendors"]}
    assert list(told) == VENDORS
    for provider in all_providers():
        working = [provider.model_name(row.id) for row in provider.models if row.lifecycle.at(TODAY) != "retired"]
        vendor = told[provider.name]
        assert vendor["models"][0] == provider.model_name(provider.default)
        assert sorted(vendor["models"]) == sorted(working)
        assert f"({provider.name})" in answer.text


async def test_the_budget_holds_when_every_host_is_custom_and_retired_rows_are_named() -> None:
    answer = await listed(KEYS | GATEWAYS, providers=SIX)
    words, structured = bytes_of(answer)
    assert words + structured < 8_000
    assert structured < 2_100
    assert "retired by the vendor, and tried at your base URL: gpt-image-1, dall-e-3, dall-e-2" in answer.text
    assert "imagen-4.0-generate-001" in answer.text


@pytest.mark.parametrize("environ", [KEYS, KEYS | GATEWAYS], ids=["vendors", "gateways"])
@pytest.mark.parametrize("operation", [None, *Operation])
@pytest.mark.parametrize("vendor", VENDORS)
async def test_of_a_vendor_it_holds_every_row_within_the_budget(
    environ: Environ, operation: Operation | None, vendor: str
) -> None:
    answer = await listed(environ, operation=operation, vendor=vendor)
    words, structured = bytes_of(answer)
    assert structured <= 6_000
    assert words < 9_200
    wanted = [
        p.model_name(row.id)
        for p in all_providers()
        for row in p.models
        if vendor == p.name
        and (operation is None or operation in row.operations)
        and (row.lifecycle.at(TODAY) != "retired" or (environ is not KEYS and p.endpoint.key_variables))
    ]
    assert sorted(ids(answer)) == sorted(wanted)
    assert all(id in answer.text for id in wanted), wanted


@pytest.mark.parametrize("operation", Operation)
async def test_of_an_operation_it_names_or_counts_every_row_of_every_vendor_within_the_budget(
    operation: Operation,
) -> None:
    answer = await listed(KEYS, operation=operation)
    assert sum(bytes_of(answer)) < 12_000
    told = {vendor["name"]: vendor for vendor in data(answer)["vendors"]}
    for provider in all_providers():
        able = [
            provider.model_name(r.id)
            for r in provider.models
            if operation in r.operations and r.lifecycle.at(TODAY) != "retired"
        ]
        assert (provider.name in told) == bool(able)
        if able and "models" in data(answer):
            assert set(able) <= set(ids(answer))
        elif able:
            assert len(told[provider.name]["models"]) + told[provider.name].get("more", 0) == len(able)


async def test_of_many_vendors_there_is_one_line_each_with_default_price_and_operations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("atelier.tools.list_models.MAX_BRIEF_BYTES", 4_000)
    monkeypatch.setattr("atelier.tools.list_models.MAX_BRIEF_DATA_BYTES", 3_000)
    answer = await listed(KEYS)
    assert sum(bytes_of(answer)) < 6_000
    line = next(line for line in answer.text.splitlines() if line.startswith("Stability AI"))
    assert line.startswith("Stability AI (stability): stable-image-core ($0.03); generate, edit, inpaint, outpaint, ")
    assert line.endswith("; and 21 more models; list_models with vendor=stability names them.")


async def test_a_word_is_looked_for_in_names_operations_options_and_styles() -> None:
    assert ids(await listed(KEYS, word="Kontext")) == ["flux-kontext-pro", "flux-kontext-max"]
    assert "stable-image-erase" in ids(await listed(KEYS, word="erase"))
    assert "stable-image-core" in ids(await listed(KEYS, word="neon-punk"))
    assert ids(await listed(KEYS, word="upscale", vendor="stability")) == [
        "stable-image-upscale-fast", "stable-image-upscale-conservative", "stable-image-upscale-creative",
    ]  # fmt: skip
    nothing = await listed(KEYS, word="no-such-thing")
    assert nothing.text.startswith("No model with “no-such-thing”.")


async def test_a_row_is_told_in_full() -> None:
    rows = data(await listed(KEYS, vendor="openai"))["models"]
    (row,) = [row for row in rows if "gpt-image-1.5" in row["ids"]]
    assert row == {
        "ids": ["gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"],
        "vendor": "openai",
        "operations": ["generate", "edit", "inpaint"],
        "sizes": ["auto", "1024x1024", "1536x1024", "1024x1536"],
        "qualities": ["auto", "low", "medium", "high"],
        "backgrounds": ["auto", "opaque", "transparent"],
        "formats": ["png", "jpeg", "webp"],
        "options": [
            "mask",
            "moderation auto/low",
            "output_compression",
            "partial_images 0-3",
            "safe_prompt true/false",
            "safety_identifier",
        ],
        "per_call": 10,
        "max_sources": 16,
        "max_prompt": 32_000,
        "stage": "deprecated",
        "ends": "2026-12-01",
        "successor": "gpt-image-2.6-flare",
    }


async def test_the_text_says_what_is_common_once_and_what_differs_per_group() -> None:
    lines = (await listed(KEYS, vendor="openai")).text.splitlines()
    assert "unless noted below: generate, edit, inpaint; size auto|1024x1024|1536x1024" in lines[1]
    assert (
        "also mask|moderation auto/low|output_compression|partial_images 0-3|safe_prompt true/false|safety_identifier."
        in lines[1]
    )
    assert lines[2] == "- gpt-image-2.5-flare ($0.0059-0.21), gpt-image-2.5-sunburst ($0.0059-0.21)"
    assert lines[3].startswith(
        "- gpt-image-2.6-flare ($0.018-0.21), gpt-image-2.6-sunburst ($0.018-0.21): also complexity low/medium/high|"
    )
    assert lines[4] == "- gpt-image-2 ($0.0059-0.21): quality auto|low|medium|high"
    assert lines[5].endswith("; deprecated, ends 2026-12-01, then gpt-image-2.6-flare")


async def test_unfiltered_the_defaults_have_a_price() -> None:
    answer = await listed(KEYS, providers=SIX)
    told = {v["name"]: (v.get("low_usd"), v.get("high_usd")) for v in data(answer)["vendors"]}
    assert told == {
        "openai": (0.00588, 0.21072),
        "gemini": (0.0336, 0.0756),
        "flux": (0.03, 0.075),
        "xai": (0.04, 0.08),
        "stability": (0.03, 0.03),
        "sketch": (0, 0),
    }
    for said in (
        "gpt-image-2.5-flare ($0.0059-0.21)",
        "gemini-nano-banana-2.1 ($0.034-0.076)",
        "core ($0.03)",
        "(free)",
    ):
        assert said in answer.text
    assert answer.text.count("Prices: about") == answer.text.count("2026-11-29") == 1
    assert "prices" not in data(answer)


async def test_a_vendor_that_is_not_told_has_no_price() -> None:
    told = {vendor["name"]: vendor for vendor in data(await listed({"OPENAI_API_KEY": "sk-x"}))["vendors"]}
    assert "low_usd" in told["openai"]
    assert "low_usd" not in told["flux"]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_filtered_every_model_has_its_price_or_is_said_to_have_none(vendor: str) -> None:
    answer = await listed(KEYS, vendor=vendor)
    priced = [id for price in data(answer)["prices"] for id in price["ids"]]
    assert len(priced) == len(set(priced))
    unknown = {id for id in ids(answer) if f"{id} (price unknown)" in answer.text}
    assert set(ids(answer)) - set(priced) == unknown
    assert bool(unknown) == (vendor in ("flux", "leonardo", "midjourney"))
    assert all(f"{id} (" in answer.text for id in priced), priced


async def test_prices_are_told_for_an_operation_over_all_vendors() -> None:
    told = data(await listed(KEYS, operation="edit", providers=SIX))["prices"]
    assert {"low_usd": 0.03, "high_usd": 0.075, "ids": ["flux-2-pro"]} in told
    assert {"low_usd": 0.0336, "high_usd": 0.0756, "ids": ["gemini-nano-banana-2.1"]} in told


async def test_where_even_prices_do_not_fit_that_is_said_and_the_text_has_them() -> None:
    service = ImageService(Pipeline(grown(40, all_providers())))
    answer = await run(ListModels(vendor="openai"), service, Call(caller="1", on_progress=no_progress))
    assert ", prices; narrow the list for them." in data(answer)["summary"]
    assert "prices" not in data(answer)
    assert "gpt-image-2.5-flare ($0.0059-0.21)" in answer.text


async def test_what_its_vendor_no_longer_sells_has_no_price() -> None:
    answer = await listed(KEYS | GATEWAYS, vendor="openai")
    assert "dall-e-3" in ids(answer)
    assert "dall-e-3 (" not in answer.text
    priced = {id for price in data(answer)["prices"] for id in price["ids"]}
    assert priced
    assert "dall-e-3" not in priced


async def test_a_vendor_without_a_key_is_one_line_with_its_variable() -> None:
    answer = await listed({"OPENAI_API_KEY": "sk-x"})
    line = "Google (gemini): 5 models once GOOGLE_API_KEY or GEMINI_API_KEY is set."
    assert line in answer.text.splitlines()
    assert "gemini-3-pro-image" not in answer.text
    told = {vendor["name"]: vendor for vendor in data(answer)["vendors"]}
    keys = ["GOOGLE_API_KEY", "GEMINI_API_KEY"]
    assert told["gemini"] == {"name": "gemini", "ready": False, "variables": keys, "more": 5}
    assert "`more` counts models that list_models with that vendor names." in data(answer)["summary"]
    assert told["openai"]["ready"]
    assert told["sketch"]["ready"]
    assert "When no model is named: openai/gpt-image-2.5-flare." in answer.text


async def test_a_vendor_that_is_asked_for_is_told_even_without_a_key() -> None:
    answer = await listed({}, vendor="google")
    assert "gemini-3-pro-image" in ids(answer)
    assert "which needs GOOGLE_API_KEY or GEMINI_API_KEY" in answer.text


async def test_a_row_dies_by_itself() -> None:
    assert "gpt-image-1.5" in ids(await listed(KEYS, date(2026, 11, 30), vendor="openai"))
    assert "gpt-image-1.5" not in ids(await listed(KEYS, date(2026, 12, 1), vendor="openai"))


async def test_what_a_vendor_cannot_do_is_answered_with_who_can() -> None:
    answer = await listed(KEYS, vendor="openai", operation="upscale")
    able = "stability, recraft, leonardo, midjourney, bedrock, sd-webui, comfyui"
    assert answer.text == f"No model of openai that can upscale. Vendors that have one: {able}."
    assert data(answer)["models"] == []


async def test_without_a_vendor_that_can_it_says_which_key_would_help() -> None:
    answer = await listed({}, operation="upscale")
    assert "Stability AI (stability): 3 models once STABILITY_API_KEY is set." in answer.text.splitlines()
    assert data(answer)["models"] == []


async def test_a_wrong_preset_does_not_hide_the_list() -> None:
    answer = await listed(KEYS | {"ATELIER_DEFAULT_MODEL": "pixelmill"})
    assert "ATELIER_DEFAULT_MODEL is wrong." in answer.text
    assert "flux-2-pro" in answer.text


async def test_columns_that_are_left_out_are_named() -> None:
    answer = await listed(KEYS, operation="edit", providers=SIX)
    assert "Left out here for length: styles" in data(answer)["summary"]
    assert all("styles" not in row for row in data(answer)["models"]), data(answer)["models"]
    assert "style enhance|anime" in answer.text


@pytest.mark.parametrize("vendor", ["pixelmill", "gpt-image-2"])
async def test_an_unknown_vendor_is_refused_with_those_there_are(vendor: str) -> None:
    with pytest.raises(ImageError) as caught:
        await listed(KEYS, vendor=vendor)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert all(name in caught.value.hint for name in VENDORS), VENDORS


async def test_the_same_question_has_the_same_answer() -> None:
    assert await listed(KEYS) == await listed(KEYS)
    assert await listed({}, vendor="", operation=" ") == await listed({})


async def test_an_unknown_operation_is_refused_with_those_there_are(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("list_models", {"operation": "paint"})
    assert result.is_error
    assert "remove_background" in text(result)


def grown(count: int, vendors: tuple[Provider, ...], **columns: Any) -> Catalog:
    """The catalogue of these vendors with so many more models in a file of the user's."""
    rows = [
        {
            "provider": "openai",
            "id": f"gpt-image-of-the-house-{n:03}",
            "like": "gpt-image-2",
            "max_sources": 1 + n,
            **columns,
        }
        for n in range(count)
    ]
    providers = overlaid(vendors, parse_answer(json.dumps({"models": rows}).encode()), lambda: TODAY)
    return Catalog((KEYS | GATEWAYS).get, lambda: TODAY, only(*providers))


@pytest.mark.parametrize(
    "columns",
    [{}, {"qualities": ["q" * 59 + str(n) for n in range(9)], "sizes": ["s" * 60], "formats": ["f" * 60]}],
    ids=["plain", "wordy"],
)
@pytest.mark.parametrize("count", [60, 400])
@pytest.mark.parametrize("vendors", [SIX, all_providers()], ids=["few vendors", "every vendor"])
async def test_however_many_models_a_file_adds_the_budget_holds_and_the_rest_is_counted(
    vendors: tuple[Provider, ...], count: int, columns: dict[str, Any]
) -> None:
    catalog = grown(count, vendors, **columns)
    answer = await run(ListModels(), ImageService(Pipeline(catalog)), Call(caller="1", on_progress=no_progress))
    assert sum(bytes_of(answer)) < 8_000
    told = {vendor["name"]: vendor for vendor in data(answer)["vendors"]}
    for provider in catalog.providers:
        vendor = told[provider.name]
        rows = [row for row in catalog.listed(provider) if row.lifecycle.at(catalog.today()) != "retired"]
        assert vendor["models"][0] == provider.model_name(provider.default)
        assert len(vendor["models"]) + vendor.get("more", 0) == len(rows)
    assert len(told["openai"]["models"]) >= 10
    counted = re.search(r"and (\d+) more models; list_models with vendor=openai names them\.", answer.text)
    assert counted, answer.text
    assert 0 < int(counted[1]) < count + 20
    if vendors is SIX:
        assert ("more" in told["openai"]) == (count == 400), "the data has room for 60"


@pytest.mark.parametrize("ready", sample(list(range(1, len(VENDORS) + 1)), [4, 6, 9]))
async def test_the_data_is_complete_however_many_vendors_are_ready(ready: int) -> None:
    keys = list(KEYS)[-ready:]
    answer = await listed({name: KEYS[name] for name in keys})
    assert [vendor["name"] for vendor in data(answer)["vendors"] if vendor["ready"] and "more" in vendor] == []
    assert sum(bytes_of(answer)) < 8_000


async def test_what_fits_is_told_whole_and_nothing_is_counted() -> None:
    answer = await listed(KEYS, providers=SIX)
    assert "more models" not in answer.text
    assert all("more" not in vendor for vendor in data(answer)["vendors"]), data(answer)["vendors"]
