"""What a refusal of Google means: its errors, and answers without a picture, which are billed."""

from __future__ import annotations

from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.testing.emulators import gemini_rules as emulated
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.server import Answer, Drip, Dropped, Fault, Slow
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.gemini import PROVIDER
from tests.conftest import Environ
from tests.providers.vendors.gemini.conftest import FOX
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

REFUSALS: list[tuple[Fault, Reason, int]] = [
    (emulated.wrong_key("AIzaWrong"), Reason.AUTHENTICATION, 1),
    (emulated.trouble(401, "UNAUTHENTICATED", "No credentials."), Reason.AUTHENTICATION, 1),
    (emulated.trouble(402, "PAYMENT_REQUIRED", "Pay first."), Reason.QUOTA_EXCEEDED, 1),
    (emulated.trouble(403, "PERMISSION_DENIED", "No."), Reason.AUTHENTICATION, 1),
    (emulated.trouble(404, "NOT_FOUND", "models/x is not found."), Reason.UNKNOWN_MODEL, 1),
    (emulated.NO_BILLING, Reason.AUTHENTICATION, 1),
    (emulated.NO_FREE_TIER, Reason.QUOTA_EXCEEDED, 1),
    (emulated.invalid("Unsupported aspect ratio."), Reason.INVALID_REQUEST, 1),
    (emulated.REFUSED_PROMPT, Reason.CONTENT_POLICY, 1),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, 4),
    (emulated.BROKEN_SERVER, Reason.PROVIDER_UNAVAILABLE, 4),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, 1),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, 1),
    (Answer(200, {}), Reason.INVALID_RESPONSE, 1),
    (Answer(200, {"candidates": []}), Reason.INVALID_RESPONSE, 1),
    (emulated.finished("STOP", None, {"inlineData": {"data": "AAAA"}}), Reason.INVALID_RESPONSE, 1),
    (emulated.finished("STOP", None, {"inlineData": {"data": "!!!!"}}), Reason.INVALID_RESPONSE, 1),
    (Dropped(), Reason.NETWORK_ERROR, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, 1),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("fault", "reason", "requests"), REFUSALS)
async def test_each_failure_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_gemini: Environ, gemini: Gemini, fault: Fault, reason: Reason, requests: int
) -> None:
    gemini.next(*[fault] * 10)
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert caught.value.reason is reason
    assert caught.value.message
    assert caught.value.hint
    assert len(gemini.requests) == requests


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (499, emulated.trouble(499, "CANCELLED", "Gone.").body),
        (503, emulated.OVERLOADED.body),
        (504, emulated.TOO_LATE.body),
        (502, "<html>Bad gateway</html>"),
    ],
)
def test_what_passes_by_itself_may_be_repeated(status: int, body: Any) -> None:
    error = PROVIDER.explain(httpx.Response(status, json=body))
    assert (error.reason, error.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)
    assert str(status) in error.message


SKETCHED = {"text": "Let me draw.", "thought": True}
MODERATION: list[tuple[Answer, Reason, str]] = [
    *(
        (emulated.blocked(word), Reason.CONTENT_POLICY, f"({word})")
        for word in ("SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "JAILBREAK")
    ),
    (emulated.blocked("SAFETY", "Not that."), Reason.CONTENT_POLICY, "(SAFETY): “Not that.”"),
    *(
        (emulated.finished(word, "Not so.", SKETCHED), Reason.CONTENT_POLICY, f"({word}): “Not so.”")
        for word in (
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "SAFETY",
            "PROHIBITED_CONTENT",
            "RECITATION",
            "BLOCKLIST",
            "SPII",
            "MODEL_ARMOR",
            "ESCALATION",
        )
    ),
    *(
        (emulated.finished(word), Reason.INVALID_RESPONSE, f"({word}).")
        for word in ("NO_IMAGE", "IMAGE_OTHER", "OTHER", "MAX_TOKENS", "MALFORMED_RESPONSE", "STOP", "NEWER_THAN_WE")
    ),
    (emulated.finished("LANGUAGE"), Reason.INVALID_REQUEST, "(LANGUAGE)"),
    (emulated.finished("PUP_LIMITED_DISABLED"), Reason.AUTHENTICATION, "(PUP_LIMITED_DISABLED)"),
    (emulated.finished("STOP", None, {"text": "I cannot draw that."}), Reason.CONTENT_POLICY, "“I cannot draw that.”"),
    (emulated.finished("MAX_TOKENS", None, {"text": "Sure, I"}), Reason.INVALID_RESPONSE, "“Sure, I”"),
    (emulated.finished("STOP", None, SKETCHED), Reason.INVALID_RESPONSE, "(STOP)."),
]


@pytest.mark.parametrize(("fault", "reason", "words"), MODERATION)
async def test_an_answer_without_a_picture_tells_why(
    with_gemini: Environ, gemini: Gemini, fault: Answer, reason: Reason, words: str
) -> None:
    gemini.next(fault)
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert caught.value.reason is reason
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.outcome_unknown == (reason is Reason.INVALID_RESPONSE)
    assert caught.value.facts["usage"].input_tokens == 7  # billed all the same
    assert len(gemini.requests) == 1


@pytest.mark.usefixtures("impatient")
async def test_after_a_passing_failure_the_picture_comes(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        assert (await pipeline.run(FOX)).images
    assert len(gemini.requests) == 3


@pytest.mark.parametrize(("delay", "seconds"), [("17s", 17), ("36.429760048s", 36.429760048)])
async def test_the_delay_of_a_429_is_read_from_its_details(
    with_gemini: Environ, gemini: Gemini, delay: str, seconds: float
) -> None:
    gemini.next(emulated.rate_limited(delay))
    async with open_pipeline(PROVIDER, with_gemini, timeout=5) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.RATE_LIMITED, seconds)
    assert len(gemini.requests) == 1


@pytest.mark.parametrize("fault", [Slow(1), Drip(every=0.05, length=20)], ids=["silence", "drip"])
async def test_a_timed_out_call_may_be_billed_and_is_not_sent_again(
    with_gemini: Environ, gemini: Gemini, fault: Fault
) -> None:
    gemini.next(fault)
    async with open_pipeline(PROVIDER, with_gemini, timeout=0.3) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert caught.value.reason is Reason.TIMEOUT
    assert caught.value.outcome_unknown
    assert len(gemini.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        emulated.invalid(f"Bad: {emulated.KEY} asked for a fox in the snow"),
        emulated.wrong_key(emulated.KEY),
        emulated.finished("STOP", None, {"text": "Bad: I will not draw a fox in the snow."}),
    ],
)
async def test_neither_key_nor_prompt_comes_back_in_an_error(
    with_gemini: Environ, gemini: Gemini, fault: Answer
) -> None:
    gemini.next(fault)
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    told = f"{caught.value!r} {caught.value.message} {caught.value.hint} {caught.value.facts}"
    assert gemini.key not in told
    assert "fox" not in told
