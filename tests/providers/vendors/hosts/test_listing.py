"""Hosts in list_models: their models under the names that a caller may use, and hosts of which none is listed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atelier.providers.core.concurrency import no_progress
from atelier.providers.jobs.service import ImageService
from atelier.tools.list_models import run
from atelier.tools.parameters.tool_parameters import ListModels
from atelier.tools.tool import Answer, Call

pytestmark = pytest.mark.anyio

HOSTS = [
    "openrouter",
    "together",
    {"name": "proxy", "url": "https://proxy.example/v1", "key": "PROXY_KEY"},
    {"name": "ours", "url": "https://ours.example/v1", "key": "PROXY_KEY", "models": [{"id": "Draw", "usd": 0.04}]},
]
ENVIRON = {"ATELIER_HOSTS": json.dumps(HOSTS), "PROXY_KEY": "key-0123456789", "OPENROUTER_API_KEY": "key-0123456789"}


async def listed(**asked: Any) -> Answer:
    async with ImageService.from_environ(ENVIRON) as service:
        return await run(ListModels(**asked), service, Call(caller="1", on_progress=no_progress))


async def test_the_overview_names_models_with_their_host_and_a_host_without_any() -> None:
    answer = await listed()
    vendors = {vendor["name"]: vendor for vendor in answer.data.model_dump(exclude_none=True)["vendors"]}
    assert vendors["openrouter"]["models"][0] == "openrouter/openai/gpt-image-2.5-flare"
    assert (vendors["ours"]["models"], vendors["ours"]["low_usd"]) == (["ours/Draw"], 0.04)
    assert (vendors["proxy"]["ready"], vendors["proxy"]["models"]) == (True, [])
    assert "any model of this host, as proxy/MODEL" in answer.text
    assert vendors["together"]["variables"] == ["TOGETHER_API_KEY"]
    assert "When no model is named: openrouter/openai/gpt-image-2.5-flare." in answer.text


@pytest.mark.parametrize("vendor", ["openrouter", "ours", "proxy"])
async def test_a_name_of_the_list_is_a_model(vendor: str) -> None:
    answer = await listed(vendor=vendor)
    rows = answer.data.model_dump(exclude_none=True).get("models", [])
    async with ImageService.from_environ(ENVIRON) as service:
        for name in (id for row in rows for id in row["ids"]):
            assert name in answer.text
            choice = service.pipeline.catalog.resolve(name)
            assert (choice.provider.name, choice.model.any_value) == (vendor, vendor == "ours")
    assert bool(rows) == (vendor != "proxy")
