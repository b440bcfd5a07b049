"""OpenAI's rows: models that are not listed, and the older dialect where a host still speaks it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.vendors.openai import PROVIDER
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "fields", [{"seed": 7}, {"negative_prompt": "dogs"}, {"style": "anime"}, {"strength": 0.5}], ids=str
)
async def test_an_unlisted_model_is_not_asked_for_what_would_be_dropped(fields: dict[str, Any]) -> None:
    with pytest.raises(ImageError) as caught:
        open_pipeline(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model="gpt-image-9", **fields))
    assert caught.value.reason is Reason.UNSUPPORTED_OPTION


def test_an_unlisted_model_is_asked_by_its_own_name_with_values_unchecked() -> None:
    request = ImageRequest(prompt="a fox", model="openai/Qwen-Image", quality="superb", size="7000x7000")
    sent = json.loads(open_pipeline(PROVIDER, {}).prepare(request).content)
    assert sent == {"model": "Qwen-Image", "prompt": "a fox", "quality": "superb", "size": "7000x7000"}


async def test_an_unlisted_model_of_a_host_that_speaks_openais_api_may_try_edits_and_variations(
    with_openai: Environ, openai: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulated, "FREE", (*emulated.FREE, "qwen-image"))
    openai.older = True  # it serves variations
    fox, hole = normalise_source(png(64, 64)), normalise_mask(png(64, 64, "white", "L"))
    asked = ImageRequest(prompt="a hat", model="openai/qwen-image", sources=(fox,))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        assert (await pipeline.run(replace(asked, operation=Operation.EDIT))).images
        assert (await pipeline.run(replace(asked, operation=Operation.INPAINT, mask=hole))).images
        assert (await pipeline.run(replace(asked, operation=Operation.VARIATION, prompt=""))).images
    assert [request.path.rpartition("/")[2] for request in openai.requests] == ["edits", "edits", "variations"]
    assert all(b"qwen-image" in request.body for request in openai.requests)
    assert ([len(sources) for sources in openai.sources], len(openai.masks)) == ([1, 1, 1], 1)


@pytest.mark.parametrize("option", ["search", "left"])
async def test_our_own_words_are_not_passed_on_to_a_model_that_is_not_listed(option: str) -> None:
    with pytest.raises(ImageError) as caught:
        open_pipeline(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model="gpt-image-9", options={option: 5}))
    assert caught.value.reason is Reason.UNSUPPORTED_OPTION


async def test_the_older_dialect_works_on_a_host_that_still_speaks_it(with_openai: Environ, openai: OpenAI) -> None:
    openai.older = True
    fox = normalise_source(png(64, 64))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        drawn = await pipeline.run(ImageRequest(prompt="a fox", model="dall-e-3", style="vivid", quality="hd"))
        await pipeline.run(
            ImageRequest(operation=Operation.VARIATION, model="dall-e-2", sources=(fox,), size="256x256")
        )
    assert openai.requests[0].json["response_format"] == "b64_json"
    assert openai.requests[1].path == "/v1/images/variations"
    assert "retired" in " ".join(drawn.warnings)


async def test_a_model_takes_no_more_pictures_in_a_call_than_it_can(with_openai: Environ, openai: OpenAI) -> None:
    openai.older = True
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="dall-e-3", count=3))
    assert len(result.images) == 3
    assert len(openai.requests) == 3
