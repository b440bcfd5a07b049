"""What comes back from OpenAI: pictures and usage, streams, and the good pictures among broken ones."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.openai import PROVIDER
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def test_usage_request_id_and_what_auto_became_are_told(with_openai: Environ, openai: OpenAI) -> None:
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai", quality="low"))
    assert result.usage is not None
    assert result.usage.output_tokens == 196
    assert result.details["request_id"] == "req_emulated_1"
    assert (result.details["size"], result.details["quality"]) == ("1024x1024", "low")
    assert result.actual_usd == Decimal("0.005885")  # 196 tokens at $30 and 1 at $5 a million


async def test_one_broken_picture_does_not_cost_the_others(with_openai: Environ, openai: OpenAI) -> None:
    good = base64.b64encode(png(8, 8)).decode()
    openai.next(Answer(200, {"data": [{"b64_json": good}, {"b64_json": good[:40]}]}))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai", count=2))
    assert len(result.images) == 1
    assert "1 of 2" in " ".join(result.warnings)


@pytest.mark.parametrize("item", [None, "x", {"b64_json": 5}, {}])
async def test_one_misshapen_item_does_not_cost_its_sibling(with_openai: Environ, openai: OpenAI, item: object) -> None:
    good = base64.b64encode(png(8, 8)).decode()
    openai.next(Answer(200, {"data": [item, {"b64_json": good}]}))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        assert len((await pipeline.run(ImageRequest(prompt="a fox", model="openai", count=2))).images) == 1


@pytest.mark.parametrize("odd", [{"usage": {"input_tokens": None, "output_tokens": 1.5}}, {"usage": 7, "size": 1024}])
async def test_odd_words_beside_a_picture_do_not_cost_it(with_openai: Environ, openai: OpenAI, odd: object) -> None:
    assert isinstance(odd, dict)
    good = base64.b64encode(png(8, 8)).decode()
    openai.next(Answer(200, {"data": [{"b64_json": good, "revised_prompt": 7}], **odd}))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="openai"))).images


async def test_an_answer_that_says_it_is_compressed_and_is_not_may_be_billed(
    with_openai: Environ, openai: OpenAI
) -> None:
    openai.next(Answer(200, b"{}", {"content-encoding": "gzip"}))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert caught.value.reason is Reason.INVALID_RESPONSE
    assert caught.value.outcome_unknown


async def test_fewer_pictures_than_asked_are_delivered_with_a_warning(with_openai: Environ, openai: OpenAI) -> None:
    openai.delivered = 2
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai", count=3))
    assert len(result.images) == 2
    assert "2 of 3" in " ".join(result.warnings)


async def test_partial_pictures_are_a_sign_of_life_and_not_a_result(with_openai: Environ, openai: OpenAI) -> None:
    said: list[str] = []

    async def on_progress(message: str) -> None:
        said.append(message)

    request = ImageRequest(prompt="a fox", model="openai", options={"partial_images": 2})
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(request, on_progress=on_progress)
    assert openai.requests[-1].json["stream"] is True
    assert len(result.images) == 1
    assert result.usage is not None
    assert len([message for message in said if "has arrived" in message]) >= 2


async def test_a_refusal_in_the_middle_of_a_stream_is_a_refusal(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.STREAM_ERROR)
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai", options={"partial_images": 1}))
    assert caught.value.reason is Reason.CONTENT_POLICY
    assert "Blocked midway." in caught.value.message


async def test_an_error_event_without_a_type_is_a_refusal(with_openai: Environ, openai: OpenAI) -> None:
    event = b'event: error\ndata: {"code": "content_policy_violation", "message": "Blocked midway."}\n\n'
    openai.next(Answer(200, event, {"content-type": "text/event-stream"}))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai", options={"partial_images": 1}))
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.CONTENT_POLICY, False)
    assert "Blocked midway." in caught.value.message


async def test_when_some_calls_fail_the_paid_pictures_are_delivered(with_openai: Environ, openai: OpenAI) -> None:
    openai.older = True
    openai.next(None, emulated.MODERATED, None)
    async with open_pipeline(PROVIDER, with_openai, concurrency=1) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="dall-e-3", count=3))
    assert len(result.images) == 2
    assert result.warnings[0].startswith("Only 2 of 3 images were made")


FOX = base64.b64encode(png(8, 8)).decode()
DATA_URI = f"data:image/png;base64,{FOX}"
SHAPES: dict[str, Any] = {
    "images": {"images": [{"url": DATA_URI}]},
    "images beside facts": {"images": [{"b64_json": FOX}], "result": {"size": "8x8"}},
    "in two envelopes": {"statusCode": 200, "body": {"response": {"data": [{"b64_json": FOX}]}}},
    "texts": {"data": [FOX]},
    "an object": {"data": {"image": FOX}},
    "below data": {"code": 0, "data": {"data": [{"b64": FOX}]}},
    "below result": {"success": True, "result": {"image": FOX}},
    "an image_url": {"data": [{"url": None, "image_url": {"url": DATA_URI}}]},
    "artifacts": {"artifacts": [{"base64": FOX, "seed": 5}]},
    "a chat completion": {"choices": [{"message": {"content": "", "images": [{"image_url": {"url": DATA_URI}}]}}]},
    "parts of a chat completion": {
        "choices": [
            {
                "message": {
                    "content": [
                        {"type": "text", "text": "A fox."},
                        {"type": "image_url", "image_url": {"url": DATA_URI}},
                    ]
                }
            }
        ]
    },
    "Markdown": {"choices": [{"message": {"role": "assistant", "content": f"Here it is:\n\n![a fox]({DATA_URI})"}}]},
    "Gemini's": {"candidates": [{"content": {"parts": [{"text": "A fox."}, {"inlineData": {"data": FOX}}]}}]},
    "JSON in a text": {"statusCode": 200, "body": json.dumps({"data": [{"b64_json": FOX}]})},
    "base64 as a link": {"data": [{"url": FOX}]},
    "a list": [{"b64_json": FOX}],
    "a file": png(8, 8),
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
async def test_images_are_found_where_other_hosts_put_them(with_openai: Environ, openai: OpenAI, body: Any) -> None:
    openai.next(Answer(200, body))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert [image.image_bytes for image in result.images] == [png(8, 8)]


def stream(*events: dict[str, Any]) -> Answer:
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    return Answer(200, body, {"content-type": "text/event-stream"})


PARTIAL = {"type": "image_generation.partial_image", "b64_json": FOX, "partial_image_index": 0}
FINISHED = {"type": "image_generation.completed", "b64_json": FOX}


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (stream(FINISHED, {"error": {"message": "It was closed.", "code": "500"}}), "It was closed."),
        (stream(PARTIAL), "unfinished"),
        (stream(FINISHED, {"data": [{"b64_json": FOX}]}), ""),  # the same image twice
        (stream({"event": "image_generation.completed", "data": {"b64_json": FOX}}), ""),
        (Answer(200, b": working\n\n" + json.dumps({"data": [{"b64_json": FOX}]}).encode()), ""),
    ],
    ids=["an error after it", "only a partial one", "twice", "in an object", "comments before JSON"],
)
async def test_a_stream_with_an_image_delivers_it(
    with_openai: Environ, openai: OpenAI, answer: Answer, note: str
) -> None:
    openai.next(answer)
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai", options={"partial_images": 1}))
    assert len(result.images) == 1
    assert note in " ".join(result.warnings)
    assert bool(note) == any("stream" in warning for warning in result.warnings)
