"""What comes back from Google: pictures, usage and words, and the good pictures among broken ones."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators import gemini_rules as emulated
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.gemini import PROVIDER
from atelier.providers.vendors.gemini.shapes import Answer as GeminiAnswer
from tests.conftest import Environ
from tests.providers.vendors.gemini.conftest import FOX, MODEL, ask, imagen
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def test_thoughts_are_billed_but_are_no_result(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.thinks = True
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(FOX)
    assert [image.picture.width for image in result.images] == [1024]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (4, 1120 + 55)
    assert result.usage.details == {
        "input_tokens_details": {"text_tokens": 4},
        "output_tokens_details": {"image_tokens": 1120, "thought_tokens": 55},
    }
    assert result.details == {"request_id": "r-emulated-1", "model_version": MODEL}
    assert (result.warnings, result.actual_usd) == ((), Decimal("0.0340185"))  # the vendor names no price


async def test_the_format_is_read_from_the_bytes(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.format = "JPEG"
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        assert [image.format for image in (await pipeline.run(FOX)).images] == ["jpeg"]


async def test_another_model_than_the_asked_one_is_told(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.served = "gemini-3.1-flash-image"
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(FOX)
    assert result.details["model_version"] == "gemini-3.1-flash-image"
    assert result.warnings == (f"Google answered with gemini-3.1-flash-image in place of {MODEL}.",)


async def test_a_gateway_may_say_null_for_what_is_absent(with_gemini: Environ, gemini: Gemini) -> None:
    part = {"text": None, "thought": None, "inlineData": {"mimeType": None, "data": emulated.drawn((8, 8))}}
    candidate = {"content": {"role": None, "parts": [part]}, "finishReason": None, "finishMessage": None}
    nulls = {"promptFeedback": None, "usageMetadata": None, "modelVersion": None, "responseId": None}
    gemini.next(Answer(200, {"candidates": [candidate], **nulls}))
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(FOX)
    assert (len(result.images), result.usage, result.details) == (1, None, {})


DRAWN = {"inlineData": {"mimeType": "image/png", "data": emulated.drawn((8, 8))}}


ODD: tuple[Any, ...] = ([], {"odd": 1}, "odd", True, -1, 2**70, 1.5, float("nan"))


@pytest.mark.parametrize("odd", [None, *ODD], ids=repr)
async def test_what_is_beside_the_point_does_not_cost_the_picture(
    with_gemini: Environ, gemini: Gemini, odd: Any
) -> None:
    share = {"modality": odd, "tokenCount": odd}
    counts = dict.fromkeys(("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"), odd)
    details = {"promptTokensDetails": [share, odd], "candidatesTokensDetails": odd}
    ending = {"finishReason": odd, "finishMessage": odd}
    candidate = {"content": {"parts": [{"text": odd, "inlineData": DRAWN["inlineData"]}]}, **ending}
    beside = {"promptFeedback": odd, "modelVersion": odd, "responseId": odd, "predictions": odd}
    for usage in ({**counts, **details}, odd):
        gemini.next(Answer(200, {"candidates": [candidate], "usageMetadata": usage, **beside}))
        async with open_pipeline(PROVIDER, with_gemini) as pipeline:
            result = await pipeline.run(FOX)
        assert [image.picture.width for image in result.images] == [8]
        assert json.dumps(dict(result.details), allow_nan=False)
    gemini.next(Answer(200, {"predictions": [{**IMAGEN_DRAWN, "prompt": odd, "raiFilteredReason": odd}]}))
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        assert len((await pipeline.run(imagen())).images) == 1


BROKEN: tuple[Any, ...] = (None, 7, {"inlineData": {"data": 7}}, {"inlineData": {"data": "AAAA"}})
IMAGEN_DRAWN = {"bytesBase64Encoded": DRAWN["inlineData"]["data"]}
IMAGEN_BROKEN: tuple[Any, ...] = (None, 7, {"bytesBase64Encoded": 7}, {"bytesBase64Encoded": "AAAA"})


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        *((FOX, {"candidates": [{"content": {"parts": [part, DRAWN]}}]}) for part in BROKEN),
        (FOX, {"candidates": [None, {"content": {"parts": [DRAWN]}}]}),
        *((ask(model="imagen-4.0-generate-001"), {"predictions": [item, IMAGEN_DRAWN]}) for item in IMAGEN_BROKEN),
    ],
)
async def test_a_broken_picture_does_not_take_the_others_with_it(
    with_gemini: Environ, gemini: Gemini, asked: ImageRequest, body: Any
) -> None:
    gemini.next(Answer(200, body))
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(asked)
    assert len(result.images) == 1
    assert "1 of 2 images could not be used" in " ".join(result.warnings)


@pytest.mark.parametrize("part", BROKEN)
async def test_a_broken_picture_alone_is_an_answer_that_cannot_be_used(
    with_gemini: Environ, gemini: Gemini, part: Any
) -> None:
    gemini.next(emulated.finished("STOP", None, part))
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.INVALID_RESPONSE, True)


async def test_words_beside_the_picture_are_details(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.next(emulated.finished("STOP", None, {"text": "Here is\nyour fox."}, DRAWN))
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        assert (await pipeline.run(FOX)).details["text"] == "Here is your fox."


async def test_several_pictures_are_several_calls_that_differ_in_their_seed(
    with_gemini: Environ, gemini: Gemini
) -> None:
    for model in ("gemini-3-pro-image", "gemini-9-image"):
        gemini.reset()
        gemini.next(*[emulated.finished("STOP", None, DRAWN)] * 3)
        async with open_pipeline(PROVIDER, with_gemini) as pipeline:
            result = await pipeline.run(ask(model=model, count=3, seed=7))
        assert len(result.images) == 3
        assert sorted(request.json["generationConfig"]["seed"] for request in gemini.requests) == [7, 8, 9]
        assert result.usage is not None
        assert result.usage.output_tokens == 3 * 55


async def test_a_blocked_picture_does_not_take_the_others_with_it(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.next(None, emulated.finished("IMAGE_SAFETY"), None)
    async with open_pipeline(PROVIDER, with_gemini, concurrency=1) as pipeline:
        result = await pipeline.run(ask(count=3))
    assert len(result.images) == 2
    assert result.warnings == ("Only 2 of 3 images were made: Google answered without an image (IMAGE_SAFETY).",)


def part(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts)}}]}


@pytest.mark.parametrize("shape", ["list", "events", "response", "markdown"])
async def test_gateways_send_an_answer_as_a_stream_or_wrapped_or_as_a_link(
    with_gemini: Environ, gemini: Gemini, shape: str
) -> None:
    inline = part({"inlineData": {"mimeType": "image/png", "data": emulated.drawn((8, 8))}})
    words, ends = part({"text": "Here it is."}), {"usageMetadata": {"promptTokenCount": 4}}
    bodies: dict[str, Any] = {
        "list": [words, inline, ends],
        "events": b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in (words, inline, ends)),
        "response": {"response": {**inline, **ends}},
        "markdown": {**part({"text": f"![a fox](data:image/png;base64,{emulated.drawn((8, 8))})"}), **ends},
    }
    gemini.next(Answer(200, bodies[shape]))
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(FOX)
    assert [image.picture.width for image in result.images] == [8]
    assert result.usage is not None


def test_a_link_in_markdown_is_an_image_and_a_bare_one_is_not() -> None:
    link = "https://host.example/a.png?x=1"
    shown = GeminiAnswer.model_validate(part({"text": f"Done: ![a fox]({link} 'title')"}))
    assert [item and item.url for item in shown.results()] == [link]
    assert not any(GeminiAnswer.model_validate(part({"text": f"See [this]({link}) or {link}"})).results())
