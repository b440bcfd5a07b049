"""Tests of the option gates: a listed model accepts its own options, an unlisted one all that are safe."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.option_gates import private_texts
from atelier.providers.core.gates.option_limits import number, one_of, switch, text, whole
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.testing.emulators import xai_rules as emulated
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.vendors.registry import all_providers
from tests.conftest import TODAY, Environ

UNLISTED = ("gpt-image-9", "gemini-9-image", "imagen-9", "flux-9", "grok-imagine-image-9", "sd9-large")
WRITTEN = (
    "prompt", "model", "n", "size", "width", "height", "aspect_ratio", "aspectRatio", "resolution", "quality", "style",
    "style_preset", "background", "output_format", "output_compression", "negative_prompt", "negativePrompt", "seed",
    "image", "images", "input_image", "input_image_2", "image_prompt", "image_prompt_strength", "mask", "stream",
    "response_format", "responseModalities", "imageConfig", "imageSize", "sampleCount", "candidateCount",
    "addWatermark", "includeRaiReason", "outputOptions", "editMode", "mode", "search", "left", "thinkingConfig",
)  # fmt: skip
ELSEWHERE = (
    "webhook_url", "webhook_secret", "webhookUrl", "storage_options", "storageUri", "callback_url", "callback",
    "outputGcsUri", "file_id", "input_image_blob_path", "imageURL", "upload_to", "result_bucket", "notify_endpoint",
)  # fmt: skip


def house() -> Pipeline:
    environ = {"GOOGLE_GEMINI_BASE_URL": "https://gateway.example"}
    return Pipeline(Catalog(environ.get, lambda: TODAY))


def refusal(model: str, options: dict[str, Any], **more: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        house().prepare(ImageRequest(prompt="a fox", model=model, options=options, **more))
    return caught.value


def sent(model: str, **options: Any) -> str:
    return house().prepare(ImageRequest(prompt="a fox", model=model, options=options)).read().decode()


@pytest.mark.parametrize("model", UNLISTED)
def test_an_unlisted_model_accepts_options_of_its_vendor(model: str) -> None:
    body = sent(model, shimmer="high", steps_further=30, glossy=True)
    assert all(word in body for word in ("shimmer", "steps_further", "glossy", "high", "30", "true"))


@pytest.mark.parametrize("model", UNLISTED)
def test_an_option_cannot_override_a_parameter_of_atelier(model: str) -> None:
    for name in WRITTEN:
        error = refusal(model, {name: 1})
        assert (error.reason, error.facts["option"]) == (Reason.UNSUPPORTED_OPTION, name)
        assert "Give it as" in error.hint or "Leave it out" in error.hint


@pytest.mark.parametrize("model", UNLISTED)
def test_an_option_cannot_name_a_location(model: str) -> None:
    for name in ELSEWHERE:
        error = refusal(model, {name: "https://elsewhere.example"})
        assert (error.reason, error.facts["option"]) == (Reason.UNSUPPORTED_OPTION, name)
        assert "elsewhere.example" not in f"{error.message} {error.hint} {error.facts}"


@pytest.mark.parametrize("name", ["security", "blurring", "profile", "hostility", "linked", "currency"])
def test_an_option_that_resembles_a_location_is_accepted(name: str) -> None:
    assert name in sent("gpt-image-9", **{name: 1})


def test_an_option_cannot_override_a_field_that_an_adapter_writes() -> None:
    """Collected from requests with every parameter, so that new fields are covered."""
    requests: dict[str, dict[str, Any]] = {
        "gpt-image-9": {"quality": "x", "background": "auto", "output_format": "webp", "compression": 5, "size": "9x9"},
        "grok-imagine-image-9": {"quality": "x", "aspect_ratio": "1:1", "resolution": "9k"},
        "flux-9": {"size": "64x64", "seed": 1, "output_format": "png"},
        "sd9-large": {"aspect_ratio": "1:1", "negative_prompt": "x", "seed": 1, "style": "x", "output_format": "png"},
    }
    for model, fields in requests.items():
        request = house().prepare(ImageRequest(prompt="a fox", model=model, count=2, **fields))
        body = request.read()
        names = from_json(body) if body.startswith(b"{") else [
            line.split('"')[1] for line in body.decode().splitlines() if 'name="' in line
        ]  # fmt: skip
        assert len(names) > 3
        for name in names:
            assert refusal(model, {name: 1}).facts["option"] == name


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, b"x", float("nan"), float("inf"), 2**70, "x" * 10_001])
def test_a_nested_or_long_value_is_refused(value: Any) -> None:
    assert refusal("gpt-image-9", {"shimmer": value}).reason is Reason.INVALID_REQUEST


def test_a_listed_model_names_its_options_and_the_matching_parameter() -> None:
    error = refusal("flux-dev", {"negativePrompt": "fog"})
    assert error.hint.startswith("Give it as negative_prompt.")
    error = refusal("flux-dev", {"shimmer": 1})
    assert "guidance" in error.hint
    assert error.facts["offered"] == ["guidance", "prompt_upsampling", "safety_tolerance", "steps"]


def test_a_value_beyond_its_limit_is_refused_with_the_limit() -> None:
    error = refusal("flux-dev", {"guidance": 9})
    assert error.message == "flux-dev does not support guidance=9."
    assert "1.5 to 5" in error.hint
    assert "flux-2-flex" in error.facts["models"]


def test_a_refusal_does_not_repeat_the_callers_text() -> None:
    error = refusal("xai", {"user": "secret " * 100})
    assert "secret" not in f"{error.message} {error.hint} {error.facts}"
    assert "256 characters" in error.hint


@pytest.mark.anyio
async def test_a_vendors_refusal_does_not_repeat_the_callers_text(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.trouble(400, emulated.INVALID, "No user is called someone-of-the-house here."))
    async with Pipeline(Catalog(with_xai.get, lambda: TODAY)) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="xai", options={"user": "someone-of-the-house"}))
    assert "No user is called [hidden] here." in caught.value.message


def test_only_text_options_are_private() -> None:
    (row,) = [row for p in all_providers() for row in p.models if row.id.endswith("-relight")]
    options = {"foreground_prompt": "a fox", "light_source_direction": "left", "light_source_strength": 0.5}
    request = ImageRequest(operation=Operation.REPLACE_BACKGROUND, options=options)
    assert private_texts(request, row) == ("a fox",)


@given(st.integers() | st.floats() | st.booleans() | st.text(max_size=5) | st.none())
def test_a_limit_allows_nothing_but_its_kind(value: Any) -> None:
    if whole("a", 0, 3).allows(value):
        assert value in (0, 1, 2, 3)
        assert type(value) is int
    if number("a", 0, 1).allows(value):
        assert type(value) in (int, float)
        assert 0 <= value <= 1
    assert switch("a").allows(value) == (type(value) is bool)
    assert one_of("a", "x", "y").allows(value) == (value in ("x", "y"))
    assert text("a", 3).allows(value) == (isinstance(value, str) and 1 <= len(value) <= 3)
