"""What a refusal of xAI means, which are repeated, and that neither key nor prompt is in one."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators import xai_rules as emulated
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Answer, Drip, Dropped, Fault, Slow
from atelier.providers.vendors.xai import PROVIDER
from tests.conftest import Environ
from tests.providers.vendors.xai.conftest import refused
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

REFUSALS: list[tuple[Fault, Reason, int]] = [
    (emulated.BAD_KEY, Reason.AUTHENTICATION, 1),
    (emulated.BLOCKED_KEY, Reason.AUTHENTICATION, 1),
    (emulated.nested(401, "unauthenticated:no-credentials", "No credentials."), Reason.AUTHENTICATION, 1),
    (emulated.nested(402, None, "Pay first."), Reason.QUOTA_EXCEEDED, 1),
    (emulated.NO_CREDITS, Reason.QUOTA_EXCEEDED, 1),
    (emulated.SPENT, Reason.QUOTA_EXCEEDED, 1),
    (emulated.trouble(404, "not-found", "The model does not exist."), Reason.UNKNOWN_MODEL, 1),
    (emulated.trouble(400, "400", "Argument not supported: size"), Reason.UNSUPPORTED_OPTION, 1),
    (emulated.trouble(400, emulated.INVALID, "Prompt length is larger than 8000."), Reason.INVALID_REQUEST, 1),
    (emulated.trouble(415, "415", "Expected JSON."), Reason.INVALID_REQUEST, 1),
    (emulated.nested(422, None, "Failed to deserialize."), Reason.INVALID_REQUEST, 1),
    (Answer(422, b"Failed to deserialize the JSON body", {"content-type": "text/plain"}), Reason.INVALID_REQUEST, 1),
    (Answer(400, {"error": "Failed to read request body: length limit exceeded"}), Reason.INVALID_REQUEST, 1),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, 1),
    (Answer(200, b"[]"), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"respect_moderation": True}), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"respect_moderation": True, "b64_json": "AAAA"}), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"b64_json": "!!!!"}, {"respect_moderation": False}), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"url": "http://127.0.0.1:9/a.jpeg"}), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"url": "file:///etc/hostname"}), Reason.INVALID_RESPONSE, 1),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, 1),
    (Answer(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), Reason.PROVIDER_UNAVAILABLE, 1),
    (emulated.trouble(500, "Internal", "The moderation service failed."), Reason.PROVIDER_UNAVAILABLE, 4),
    (emulated.OVERLOADED, Reason.PROVIDER_UNAVAILABLE, 4),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, 4),
    (Dropped(), Reason.NETWORK_ERROR, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, 1),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("fault", "reason", "requests"), REFUSALS)
async def test_each_failure_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_xai: Environ, xai: XAI, fault: Fault, reason: Reason, requests: int
) -> None:
    xai.next(*[fault] * 10)
    error = await refused(ImageRequest(prompt="a fox in the snow", model="xai"), with_xai)
    assert error.reason is reason
    assert error.message
    assert error.hint
    assert len(xai.requests) == requests


@pytest.mark.usefixtures("impatient")
async def test_after_a_passing_failure_the_picture_comes(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="xai"))).images
    assert len(xai.requests) == 3


async def test_a_wait_longer_than_the_deadline_is_told_instead_of_waited(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.nested(429, "rate_limit", "Slow down.", retry_after="45"))
    error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai, timeout=5)
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMITED, 45)
    assert len(xai.requests) == 1


@pytest.mark.parametrize("fault", [Slow(1), Drip(every=0.05, length=20)], ids=["silence", "drip"])
async def test_a_timed_out_call_may_be_billed_and_is_not_sent_again(with_xai: Environ, xai: XAI, fault: Fault) -> None:
    xai.next(fault)
    error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai, timeout=0.3)
    assert error.reason is Reason.TIMEOUT
    assert error.outcome_unknown
    assert len(xai.requests) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_closed_port_is_a_network_error_that_cost_nothing(environ: Environ) -> None:
    environ |= {"XAI_API_KEY": "xai-x", "XAI_BASE_URL": "http://127.0.0.1:9/v1"}
    error = await refused(ImageRequest(prompt="a fox", model="xai"), environ, timeout=3)
    assert error.reason is Reason.NETWORK_ERROR
    assert not error.outcome_unknown


async def test_neither_key_nor_prompt_comes_back_in_an_error(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.trouble(400, emulated.INVALID, f"Bad: {xai.key} asked for the secret garden of my aunt"))
    error = await refused(ImageRequest(prompt="the secret garden of my aunt", model="xai"), with_xai)
    told = f"{error!r} {error.message} {error.hint} {error.facts}"
    assert xai.key not in told
    assert "secret garden" not in told
    assert "Bad:" in told


async def test_the_vendors_words_are_quoted_in_either_shape(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.trouble(400, "invalid-argument", "No."), emulated.nested(400, None, "Nor this."))
    request = ImageRequest(prompt="a fox", model="xai")
    flat, deep = await refused(request, with_xai), await refused(request, with_xai)
    assert flat.message == "xAI answered 400: “invalid-argument: No.”"
    assert deep.message == "xAI answered 400: “Nor this.”"
    assert (flat.facts["code"], flat.facts["request_id"]) == ("invalid-argument", "req_trouble")
