"""OpenAI through the real pipeline against the emulator: what is sent, what comes back, what a refusal means."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.openai import PROVIDER
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
    assert result.actual_usd is None  # the vendor names no price


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


async def test_fewer_pictures_than_asked_are_delivered_with_a_warning(with_openai: Environ, openai: OpenAI) -> None:
    openai.delivered = 2
    async with studio(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="openai", count=3))
    assert len(result.images) == 2
    assert "2 of 3" in " ".join(result.warnings)


async def test_the_older_dialect_asks_for_base64_on_a_host_that_still_speaks_it(
    with_openai: Environ, openai: OpenAI
) -> None:
    request = ImageRequest(prompt="a fox", model="dall-e-3", style="vivid", quality="hd", size="1792x1024")
    async with studio(PROVIDER, with_openai) as pipeline:
        sent = pipeline.prepare(request)
    assert b'"response_format":"b64_json"' in sent.content.replace(b": ", b":")
