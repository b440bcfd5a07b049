"""Google's rows: what none of them offers, names and lifecycles, and models that are not listed."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images import masks
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.vendors.gemini import PROVIDER
from atelier.providers.vendors.gemini.models import MODELS
from tests.conftest import Environ, png
from tests.providers.vendors.gemini.conftest import MODEL, ask, content, drawing, imagen
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

LISTED = {model.id: model for model in MODELS}


# What no model of Google offers


@pytest.mark.parametrize(
    "asked",
    [
        {"size": "1024x1024"},
        {"quality": "high"},
        {"style": "vivid"},
        {"background": "transparent"},
        {"output_format": "png"},
        {"negative_prompt": "dogs"},
        {"aspect_ratio": "7:3"},
        {"resolution": "512"},
        {"options": {"temperature": 1}},
        {"model": "gemini-3-pro-image", "aspect_ratio": "1:8"},
        {"model": "gemini-3-pro-image", "options": {"thinking_level": "high"}},
        {"model": "gemini-3.1-flash-lite-image", "resolution": "2k"},
        {"model": "gemini-2.5-flash-image", "resolution": "1k"},
        {"model": "gemini-2.5-flash-image", "sources": (drawing(8, 8),) * 4},
        {"sources": (drawing(8, 8),), "mask": masks.normalise_mask(png(8, 8))},
        {"sources": (drawing(8, 8),), "strength": 0.5},
    ],
)
async def test_what_cannot_be_honoured_is_refused_before_anything_is_sent(
    with_gemini: Environ, gemini: Gemini, asked: dict[str, Any]
) -> None:
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ask(**asked))
    assert caught.value.reason is Reason.UNSUPPORTED_OPTION
    assert not gemini.requests


@pytest.mark.parametrize("operation", sorted(set(Operation) - {Operation.GENERATE, Operation.EDIT}))
async def test_only_generate_and_edit_are_offered(with_gemini: Environ, gemini: Gemini, operation: Operation) -> None:
    whole: dict[str, Any] = {
        "sources": (drawing(8, 8),),
        "mask": masks.normalise_mask(png(8, 8)),
        "options": {"left": 8},
    }
    for model in ("gemini", "gemini-9-image"):
        request = ask(model=model, operation=operation, **whole)
        async with open_pipeline(PROVIDER, with_gemini) as pipeline:
            with pytest.raises(ImageError) as caught:
                await pipeline.run(request)
        assert caught.value.reason is Reason.UNSUPPORTED_OPERATION
    assert not gemini.requests


# Names and lifecycles


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("gemini", MODEL),
        ("google", MODEL),
        ("google/gemini-3-pro-image", "gemini-3-pro-image"),
        ("nano-banana", MODEL),
        ("nano-banana-2", "gemini-3.1-flash-image"),
        ("nano-banana-2-lite", "gemini-3.1-flash-lite-image"),
        ("nano-banana-pro", "gemini-3-pro-image"),
        ("nano-banana-pro-preview", "gemini-3-pro-image"),
        ("imagen-4", "imagen-4.0-generate-001"),
        ("gemini-9-image", "gemini-9-image"),
        ("imagen-9", "imagen-9"),
    ],
)
async def test_names(name: str, id: str) -> None:
    assert open_pipeline(PROVIDER, {}).catalog.resolve(name).model.id == id


RETIRED = [model for model in MODELS if model.lifecycle.stage == "retired"]


@pytest.mark.parametrize("model", RETIRED, ids=lambda model: model.id)
async def test_a_retired_model_is_refused_on_googles_host_and_tried_on_another(model: Any) -> None:
    operation = Operation.REPLACE_BACKGROUND if model.max_sources == 1 else Operation.GENERATE
    given = (drawing(64, 48),) if model.max_sources == 1 else ()
    request = imagen(model=model.id, operation=operation, sources=given)
    with pytest.raises(ImageError) as caught:
        open_pipeline(PROVIDER, {}).admit(request)
    assert caught.value.reason is Reason.MODEL_RETIRED
    assert LISTED[caught.value.facts["successor"]].lifecycle.stage == "current"
    elsewhere = open_pipeline(PROVIDER, {"GOOGLE_GEMINI_BASE_URL": "https://gateway.example"})
    assert "custom base URL" in elsewhere.admit(request).warnings[0]
    assert str(elsewhere.prepare(request).url).startswith("https://gateway.example/v1beta/models/")


def test_the_days_on_which_models_ended() -> None:
    days = {model.id: (model.lifecycle.on, model.lifecycle.successor) for model in RETIRED}
    assert days["imagen-4.0-ultra-generate-001"] == (date(2026, 8, 17), "gemini-3-pro-image")
    assert days["imagen-4.0-generate-001"] == days["imagen-3.0-capability-001"] == (date(2026, 8, 17), MODEL)
    assert days["imagen-3.0-generate-002"] == (date(2025, 11, 10), MODEL)
    assert days["gemini-3-pro-image-preview"] == (date(2026, 6, 25), "gemini-3-pro-image")
    assert days["gemini-2.0-flash-exp-image-generation"] == (date(2025, 11, 14), MODEL)


def test_a_fading_model_works_with_a_warning_and_dies_by_itself() -> None:
    request = ImageRequest(prompt="a fox", model="gemini-2.5-flash-image")
    (warning,) = open_pipeline(PROVIDER, {}, today=date(2027, 3, 14)).admit(request).warnings
    assert "ends on 2027-03-15" in warning
    assert "gemini-3.1-flash-lite-image" in warning
    with pytest.raises(ImageError) as caught:
        open_pipeline(PROVIDER, {}, today=date(2027, 3, 15)).admit(request)
    assert caught.value.reason is Reason.MODEL_RETIRED
    (undated,) = open_pipeline(PROVIDER, {}).admit(ImageRequest(prompt="a fox", model="nano-banana-2")).warnings
    assert "not yet named" in undated


# Models that are not listed


async def test_an_unlisted_model_gets_what_its_api_has_words_for() -> None:
    pipeline = open_pipeline(PROVIDER, {})
    newer = ImageRequest(
        prompt="a fox", model="gemini-9-image", aspect_ratio="5:2", resolution="8k", seed=7, options={"topK": 3}
    )
    sent = pipeline.prepare(newer)
    assert sent.url.path == "/v1beta/models/gemini-9-image:generateContent"
    assert json.loads(sent.content) == content(
        {"text": "a fox"}, imageConfig={"aspectRatio": "5:2", "imageSize": "8K"}, seed=7, topK=3
    )
    older = pipeline.prepare(imagen(model="imagen-9", count=2, negative_prompt="dogs"))
    assert older.url.path == "/v1beta/models/imagen-9:predict"
    assert json.loads(older.content)["parameters"]["negativePrompt"] == "dogs"


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "gemini-9-image", "negative_prompt": "dogs"},
        {"model": "gemini-9-image", "output_format": "png"},
        {"model": "gemini-9-image", "sources": (drawing(8, 8),), "mask": masks.normalise_mask(png(8, 8))},
        {"model": "imagen-9", "quality": "high"},
        {"model": "imagen-9", "operation": Operation.UPSCALE, "sources": (drawing(8, 8),)},
    ],
)
async def test_what_an_unlisted_model_cannot_be_told_is_refused_and_not_dropped(
    with_gemini: Environ, gemini: Gemini, asked: dict[str, Any]
) -> None:
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError):
            await pipeline.run(ask(**asked))
    assert not gemini.requests


async def test_a_name_cannot_lead_elsewhere_on_the_host() -> None:
    for name in ("google/../../v1/files?x=1#", "google/a/../../files", "gemini-x?key=1", "gemini-x y"):
        with pytest.raises(ImageError) as caught:
            open_pipeline(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model=name))
        assert caught.value.reason is Reason.UNKNOWN_MODEL
