"""What a refusal of OpenAI means, which are repeated, and that neither key nor prompt is in one."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, Drip, Dropped, Fault, Slow
from atelier.providers.vendors.openai import PROVIDER
from tests.conftest import Environ
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

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
    (Answer(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), Reason.PROVIDER_UNAVAILABLE, 1),
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
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox in the snow", model="openai"))
    assert caught.value.reason is reason
    assert caught.value.message
    assert caught.value.hint
    assert len(openai.requests) == requests


async def test_after_a_passing_failure_the_picture_comes(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="openai"))).images
    assert len(openai.requests) == 3


async def test_a_wait_longer_than_the_deadline_is_told_instead_of_waited(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.trouble(429, "rate_limit_exceeded", "Slow down.", retry_after="45"))
    async with open_pipeline(PROVIDER, with_openai, timeout=5) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert (caught.value.reason, caught.value.retry_after) == (Reason.RATE_LIMITED, 45)
    assert len(openai.requests) == 1


@pytest.mark.parametrize("fault", [Slow(3), Drip(every=0.1)], ids=["silence", "drip"])
async def test_a_timed_out_call_may_be_billed_and_is_not_sent_again(
    with_openai: Environ, openai: OpenAI, fault: Fault
) -> None:
    openai.next(fault)
    async with open_pipeline(PROVIDER, with_openai, timeout=0.5) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert caught.value.reason is Reason.TIMEOUT
    assert caught.value.outcome_unknown
    assert len(openai.requests) == 1


async def test_who_prefers_a_double_bill_to_a_miss_has_timed_out_calls_repeated(
    with_openai: Environ, openai: OpenAI
) -> None:
    openai.next(Slow(3))
    async with open_pipeline(PROVIDER, with_openai, timeout=1.5, retry_timeouts=True) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="openai"))).images
    assert len(openai.requests) == 2


async def test_a_closed_port_is_a_network_error_that_cost_nothing(environ: Environ) -> None:
    environ |= {"OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    async with open_pipeline(PROVIDER, environ, timeout=3) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert caught.value.reason is Reason.NETWORK_ERROR
    assert not caught.value.outcome_unknown


async def test_neither_key_nor_prompt_comes_back_in_an_error(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(emulated.trouble(400, None, f"Bad: {openai.key} asked for the secret garden of my aunt"))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
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
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt=prompt, model="openai"))
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert "Bad prompt: [hidden]!" in caught.value.message
    assert len(openai.requests) == 1


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-a b", "sk-ä", "\ufeffsk-a"])
async def test_what_cannot_be_a_key_is_refused_by_its_variables_name(
    with_openai: Environ, openai: OpenAI, key: str
) -> None:
    with_openai["OPENAI_API_KEY"] = key
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert caught.value.reason is Reason.AUTHENTICATION
    assert "OPENAI_API_KEY" in caught.value.message
    assert key not in caught.value.message
    assert openai.requests == []
