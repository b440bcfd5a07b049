"""OpenAI through the real pipeline against the emulator: what is sent, what comes back, what a refusal means."""

from __future__ import annotations

import base64
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.masks import mask
from atelier.providers.core.sources import source
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.openai import PROVIDER
from tests.conftest import png
from tests.emulators import openai as emulated
from tests.emulators.openai import OpenAI
from tests.emulators.server import Answer, Drip, Dropped, Fault, Slow
from tests.vendors import studio

pytestmark = pytest.mark.anyio

Environ = dict[str, str]


async def test_only_what_was_asked_is_on_the_wire(with_openai: Environ, openai: OpenAI) -> None:
    async with studio(PROVIDER, with_openai) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert openai.requests[-1].json == {"model": "gpt-image-2.5-flare", "prompt": "a fox"}
    assert openai.requests[-1].headers["authorization"] == f"Bearer {openai.key}"


async def test_every_option_reaches_the_vendor_in_its_own_words(with_openai: Environ, openai: OpenAI) -> None:
    request = ImageRequest(
        prompt="a fox",
        model="gpt-image-2.6-sunburst",
        count=2,
        size="1536x864",
        quality="max",
        background="opaque",
        output_format="webp",
        compression=80,
    )
    async with studio(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(request)
    assert openai.requests[-1].json == {
        "model": "gpt-image-2.6-sunburst",
        "prompt": "a fox",
        "n": 2,
        "size": "1536x864",
        "quality": "max",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 80,
    }
    assert [(i.format, i.picture.width, i.picture.height) for i in result.images] == [("webp", 1536, 864)] * 2


async def test_usage_request_id_and_what_auto_became_are_told(with_openai: Environ, openai: OpenAI) -> None:
    async with studio(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai", quality="low"))
    assert result.usage is not None
    assert result.usage.output_tokens == 196
    assert result.details["request_id"] == "req_emulated_1"
    assert (result.details["size"], result.details["quality"]) == ("1024x1024", "low")
    assert result.actual_usd == Decimal("0.005885")  # 196 tokens at $30 and 1 at $5 a million


async def test_a_ratio_becomes_a_size_and_the_answer_says_so(with_openai: Environ, openai: OpenAI) -> None:
    async with studio(PROVIDER, with_openai) as pipeline:
        wide = await pipeline.run(ImageRequest(prompt="a", model="openai", aspect_ratio="16:9", resolution="4k"))
        await pipeline.run(ImageRequest(prompt="a", model="chatgpt-image-latest", aspect_ratio="2:3"))
    assert [request.json["size"] for request in openai.requests] == ["3840x2160", "1024x1536"]
    assert "3840x2160" in " ".join(wide.warnings)


async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(with_openai: Environ, openai: OpenAI) -> None:
    request = ImageRequest(prompt="a fox", model="openai", size="1024x1536", quality="high")
    async with studio(PROVIDER, with_openai) as pipeline:
        prepared = pipeline.prepare(request)
        await pipeline.run(request)
    fired = openai.requests[-1]
    assert (str(prepared.url), prepared.content) == (f"{openai.url}/images/generations", fired.body)
    assert openai.key not in repr(prepared.headers) + prepared.content.decode()
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value


async def test_preparing_needs_no_key(openai: OpenAI) -> None:
    prepared = studio(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model="openai"))
    assert str(prepared.url) == "https://api.openai.com/v1/images/generations"


REFUSALS: list[tuple[Fault, Reason, int]] = [
    (emulated.trouble(401, "invalid_api_key", "Incorrect API key provided."), Reason.AUTHENTICATION, 1),
    (emulated.trouble(402, None, "Pay first."), Reason.QUOTA_EXCEEDED, 1),
    (emulated.trouble(403, None, "Your organization must be verified."), Reason.AUTHENTICATION, 1),
    (emulated.trouble(404, "model_not_found", "No such model."), Reason.UNKNOWN_MODEL, 1),
    (emulated.MODERATED, Reason.CONTENT_POLICY, 1),
    (emulated.NO_QUOTA, Reason.QUOTA_EXCEEDED, 1),
    (emulated.trouble(400, "unknown_parameter", "Unknown parameter."), Reason.UNSUPPORTED_OPTION, 1),
    (emulated.trouble(400, "invalid_value", "Invalid size."), Reason.INVALID_REQUEST, 1),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, 1),
    (Answer(200, {"created": 1, "data": []}), Reason.INVALID_RESPONSE, 1),
    (Answer(200, {"created": 1, "data": [{"b64_json": "AAAA"}]}), Reason.INVALID_RESPONSE, 1),
    (Answer(200, {"created": 1, "data": [{"b64_json": "!!!!"}]}), Reason.INVALID_RESPONSE, 1),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, 1),
    (Answer(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), Reason.PROVIDER_UNAVAILABLE, 4),
    (emulated.BROKEN_SERVER, Reason.PROVIDER_UNAVAILABLE, 4),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, 4),
    (Dropped(), Reason.NETWORK_ERROR, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, 1),
]


@pytest.mark.parametrize(("fault", "reason", "requests"), REFUSALS)
async def test_each_failure_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_openai: Environ, openai: OpenAI, fault: Fault, reason: Reason, requests: int
) -> None:
    openai.next(*[fault] * 10)
    async with studio(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox in the snow", model="openai"))
    assert caught.value.reason is reason
    assert caught.value.message
    assert caught.value.hint
    assert len(openai.requests) == requests


async def test_after_a_passing_failure_the_picture_comes(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    async with studio(PROVIDER, with_openai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="openai"))).images
    assert len(openai.requests) == 3


async def test_a_wait_longer_than_the_deadline_is_told_instead_of_waited(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.trouble(429, "rate_limit_exceeded", "Slow down.", retry_after="45"))
    async with studio(PROVIDER, with_openai, timeout=5) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert (caught.value.reason, caught.value.retry_after) == (Reason.RATE_LIMITED, 45)
    assert len(openai.requests) == 1


@pytest.mark.parametrize("fault", [Slow(3), Drip(every=0.1)], ids=["silence", "drip"])
async def test_a_timed_out_call_may_be_billed_and_is_not_sent_again(
    with_openai: Environ, openai: OpenAI, fault: Fault
) -> None:
    openai.next(fault)
    async with studio(PROVIDER, with_openai, timeout=0.5) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert caught.value.reason is Reason.TIMEOUT
    assert caught.value.outcome_unknown
    assert len(openai.requests) == 1


async def test_who_prefers_a_double_bill_to_a_miss_has_timed_out_calls_repeated(
    with_openai: Environ, openai: OpenAI
) -> None:
    openai.next(Slow(3))
    async with studio(PROVIDER, with_openai, timeout=1.5, retry_timeouts=True) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="openai"))).images
    assert len(openai.requests) == 2


async def test_a_closed_port_is_a_network_error_that_cost_nothing(environ: Environ) -> None:
    environ |= {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    async with studio(PROVIDER, environ, timeout=3) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert caught.value.reason is Reason.NETWORK_ERROR
    assert not caught.value.outcome_unknown


async def test_neither_key_nor_prompt_comes_back_in_an_error(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.trouble(400, None, f"Bad: {openai.key} asked for the secret garden of my aunt"))
    async with studio(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="the secret garden of my aunt", model="openai"))
    told = f"{caught.value!r} {caught.value.message} {caught.value.hint} {caught.value.facts}"
    assert openai.key not in told
    assert "secret garden" not in told
    assert "Bad:" in told


@pytest.mark.parametrize(
    "prompt", ['say "hi", twice\nand again', "café au lait garden", "insufficient_quota", "message"]
)
async def test_whatever_the_prompt_is_the_vendors_words_are_read_right(
    with_openai: Environ, openai: OpenAI, prompt: str
) -> None:
    openai.next(emulated.trouble(400, "invalid_value", f"Bad prompt: {prompt}!"))
    async with studio(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt=prompt, model="openai"))
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert "Bad prompt: [hidden]!" in caught.value.message
    assert len(openai.requests) == 1


async def test_one_broken_picture_does_not_cost_the_others(with_openai: Environ, openai: OpenAI) -> None:
    good = base64.b64encode(png(8, 8)).decode()
    openai.next(Answer(200, {"data": [{"b64_json": good}, {"b64_json": good[:40]}]}))
    async with studio(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai", count=2))
    assert len(result.images) == 1
    assert "1 of 2" in " ".join(result.warnings)


@pytest.mark.parametrize("item", [None, "x", {"b64_json": 5}, {}])
async def test_one_misshapen_item_does_not_cost_its_sibling(with_openai: Environ, openai: OpenAI, item: object) -> None:
    good = base64.b64encode(png(8, 8)).decode()
    openai.next(Answer(200, {"data": [item, {"b64_json": good}]}))
    async with studio(PROVIDER, with_openai) as pipeline:
        assert len((await pipeline.run(ImageRequest(prompt="a fox", model="openai", count=2))).images) == 1


@pytest.mark.parametrize("odd", [{"usage": {"input_tokens": None, "output_tokens": 1.5}}, {"usage": 7, "size": 1024}])
async def test_odd_words_beside_a_picture_do_not_cost_it(with_openai: Environ, openai: OpenAI, odd: object) -> None:
    assert isinstance(odd, dict)
    good = base64.b64encode(png(8, 8)).decode()
    openai.next(Answer(200, {"data": [{"b64_json": good, "revised_prompt": 7}], **odd}))
    async with studio(PROVIDER, with_openai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="openai"))).images


async def test_an_answer_that_says_it_is_compressed_and_is_not_may_be_billed(
    with_openai: Environ, openai: OpenAI
) -> None:
    openai.next(Answer(200, b"{}", {"content-encoding": "gzip"}))
    async with studio(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert caught.value.reason is Reason.INVALID_RESPONSE
    assert caught.value.outcome_unknown


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-a b", "sk-ä", "\ufeffsk-a"])
async def test_what_cannot_be_a_key_is_refused_by_its_variables_name(
    with_openai: Environ, openai: OpenAI, key: str
) -> None:
    with_openai["OPENAI_API_KEY"] = key
    async with studio(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert caught.value.reason is Reason.AUTHENTICATION
    assert "OPENAI_API_KEY" in caught.value.message
    assert key not in caught.value.message
    assert openai.requests == []


@pytest.mark.parametrize(
    "fields", [{"seed": 7}, {"negative_prompt": "dogs"}, {"style": "anime"}, {"strength": 0.5}], ids=str
)
async def test_an_unlisted_model_is_not_asked_for_what_would_be_dropped(fields: dict[str, Any]) -> None:
    with pytest.raises(ImageError) as caught:
        studio(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model="gpt-image-9", **fields))
    assert caught.value.reason is Reason.UNSUPPORTED_OPTION


def test_an_unlisted_model_is_asked_by_its_own_name_with_values_unchecked() -> None:
    request = ImageRequest(prompt="a fox", model="openai/Qwen-Image", quality="superb", size="7000x7000")
    sent = json.loads(studio(PROVIDER, {}).prepare(request).content)
    assert sent == {"model": "Qwen-Image", "prompt": "a fox", "quality": "superb", "size": "7000x7000"}


async def test_fewer_pictures_than_asked_are_delivered_with_a_warning(with_openai: Environ, openai: OpenAI) -> None:
    openai.delivered = 2
    async with studio(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai", count=3))
    assert len(result.images) == 2
    assert "2 of 3" in " ".join(result.warnings)


async def test_an_edit_sends_its_pictures_as_files(with_openai: Environ, openai: OpenAI) -> None:
    fox, owl = source(png(64, 48, "orange")), source(png(32, 32, "brown"))
    async with studio(PROVIDER, with_openai) as pipeline:
        await pipeline.run(ImageRequest(operation=Operation.EDIT, prompt="a hat", model="openai", sources=(fox,)))
        await pipeline.run(ImageRequest(operation=Operation.EDIT, prompt="a hat", model="openai", sources=(fox, owl)))
    assert [request.path for request in openai.requests] == ["/v1/images/edits"] * 2
    assert [[image.size for image in images] for images in openai.sources] == [[(64, 48)], [(64, 48), (32, 32)]]
    assert b'name="image"' in openai.requests[0].body
    assert b'name="image[]"' in openai.requests[1].body
    assert b"response_format" not in openai.requests[0].body


async def test_a_tier_alone_keeps_the_shape_of_the_source(with_openai: Environ, openai: OpenAI) -> None:
    fox = source(png(320, 256))
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model="openai", sources=(fox,), resolution="2k")
    sent = studio(PROVIDER, with_openai).prepare(request).read()
    assert b"2240x1792" in sent or b"2320x1856" in sent


@pytest.mark.parametrize("option", ["search", "left"])
async def test_our_own_words_are_not_passed_on_to_a_model_that_is_not_listed(option: str) -> None:
    with pytest.raises(ImageError) as caught:
        studio(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model="gpt-image-9", options={option: 5}))
    assert caught.value.reason is Reason.UNSUPPORTED_OPTION


async def test_a_mask_arrives_transparent_where_it_changes(with_openai: Environ, openai: OpenAI) -> None:
    white = Image.new("L", (64, 48), 0)
    white.paste(255, (32, 0, 64, 48))
    out = io.BytesIO()
    white.save(out, "PNG")
    fox = source(png(64, 48, "orange"))
    request = ImageRequest(
        operation=Operation.INPAINT, prompt="a hat", model="openai", sources=(fox,), mask=mask(out.getvalue())
    )
    async with studio(PROVIDER, with_openai) as pipeline:
        prepared = pipeline.prepare(request)
        await pipeline.run(request)
    (arrived,) = openai.masks
    assert arrived.mode == "RGBA"
    assert [arrived.getpixel((x, 20)) for x in (0, 31, 32, 63)] == [(0, 0, 0, 255)] * 2 + [(0, 0, 0, 0)] * 2
    assert prepared.read() == openai.requests[-1].body


@pytest.mark.parametrize("shades", [2, 256])
def test_a_mask_of_four_megabytes_or_more_is_refused_before_it_is_sent(shades: int) -> None:
    steps = [255 * (value * shades // 256) // (shades - 1) for value in range(256)]
    noise = Image.effect_noise((2400, 2400), 100).point(steps)  # pyright: ignore[reportUnknownMemberType] - numpy's
    out = io.BytesIO()
    noise.save(out, "PNG")
    fox, over = source(png(2400, 2400)), mask(out.getvalue())
    request = ImageRequest(operation=Operation.INPAINT, prompt="a hat", model="openai", sources=(fox,), mask=over)
    if shades == 2:
        assert studio(PROVIDER, {}).prepare(request)
        return
    with pytest.raises(ImageError, match="OpenAI takes less than 4") as caught:
        studio(PROVIDER, {}).prepare(request)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert "hard edges" in caught.value.hint


async def test_partial_pictures_are_a_sign_of_life_and_not_a_result(with_openai: Environ, openai: OpenAI) -> None:
    said: list[str] = []

    async def tell(message: str) -> None:
        said.append(message)

    request = ImageRequest(prompt="a fox", model="openai", options={"partial_images": 2})
    async with studio(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(request, tell=tell)
    assert openai.requests[-1].json["stream"] is True
    assert len(result.images) == 1
    assert result.usage is not None
    assert len([message for message in said if "has arrived" in message]) >= 2


async def test_a_refusal_in_the_middle_of_a_stream_is_a_refusal(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.STREAM_ERROR)
    async with studio(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai", options={"partial_images": 1}))
    assert caught.value.reason is Reason.CONTENT_POLICY
    assert "Blocked midway." in caught.value.message


async def test_the_older_dialect_works_on_a_host_that_still_speaks_it(with_openai: Environ, openai: OpenAI) -> None:
    openai.older = True
    fox = source(png(64, 64))
    async with studio(PROVIDER, with_openai) as pipeline:
        drawn = await pipeline.run(ImageRequest(prompt="a fox", model="dall-e-3", style="vivid", quality="hd"))
        await pipeline.run(
            ImageRequest(operation=Operation.VARIATION, model="dall-e-2", sources=(fox,), size="256x256")
        )
    assert openai.requests[0].json["response_format"] == "b64_json"
    assert openai.requests[1].path == "/v1/images/variations"
    assert "retired" in " ".join(drawn.warnings)


async def test_a_model_takes_no_more_pictures_in_a_call_than_it_can(with_openai: Environ, openai: OpenAI) -> None:
    openai.older = True
    async with studio(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="dall-e-3", count=3))
    assert len(result.images) == 3
    assert len(openai.requests) == 3


async def test_when_some_calls_fail_the_paid_pictures_are_delivered(with_openai: Environ, openai: OpenAI) -> None:
    openai.older = True
    openai.next(None, emulated.MODERATED, None)
    async with studio(PROVIDER, with_openai, concurrency=1) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="dall-e-3", count=3))
    assert len(result.images) == 2
    assert result.warnings[0].startswith("Only 2 of 3 pictures were made")
