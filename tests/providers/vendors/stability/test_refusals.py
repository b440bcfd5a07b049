"""What a refusal of Stability means, which are repeated, and that neither key nor prompt is in one."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.testing.emulators import stability_rules as emulated
from atelier.providers.testing.emulators.stability import (
    BROKEN_JSON,
    BROKEN_SERVER,
    COPYRIGHTED,
    FILTERED,
    MODERATED,
    NO_CREDITS,
    NOT_ENGLISH,
    PUBLIC_FIGURE,
    RATE_LIMITED,
    SHUT_OUT,
    TOO_LARGE,
    Stability,
)
from atelier.providers.testing.server import Answer, Drip, Dropped, Fault, Slow
from tests.conftest import Environ
from tests.providers.vendors.stability.conftest import asked, refused, run

pytestmark = pytest.mark.anyio

REFUSALS: list[tuple[Fault, Reason, bool, int]] = [
    (emulated.trouble(401, "unauthorized", "invalid or missing key"), Reason.AUTHENTICATION, False, 1),
    (NO_CREDITS, Reason.QUOTA_EXCEEDED, False, 1),
    (MODERATED, Reason.CONTENT_POLICY, False, 1),
    (PUBLIC_FIGURE, Reason.CONTENT_POLICY, False, 1),
    (COPYRIGHTED, Reason.CONTENT_POLICY, False, 1),
    (FILTERED, Reason.CONTENT_POLICY, True, 1),
    (NOT_ENGLISH, Reason.INVALID_REQUEST, False, 1),
    (TOO_LARGE, Reason.INVALID_REQUEST, False, 1),
    (emulated.trouble(400, "bad_request", "prompt: is required"), Reason.INVALID_REQUEST, False, 1),
    (emulated.trouble(404, "not_found", "There is no such endpoint."), Reason.UNKNOWN_MODEL, False, 1),
    (Answer(403, b"<html>Forbidden</html>", {"content-type": "text/html"}), Reason.AUTHENTICATION, False, 1),
    (Answer(400, {"errors": "not a list", "name": 7}), Reason.INVALID_REQUEST, False, 1),
    (BROKEN_JSON, Reason.INVALID_RESPONSE, True, 1),
    (Answer(200, {"finish_reason": "SUCCESS", "seed": 1}), Reason.INVALID_RESPONSE, True, 1),
    (Answer(200, {"finish_reason": "SUCCESS", "image": "AAAA"}), Reason.INVALID_RESPONSE, True, 1),
    (Answer(200, {"finish_reason": "SUCCESS", "image": "!!!!"}), Reason.INVALID_RESPONSE, True, 1),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, False, 1),
    (Answer(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), Reason.PROVIDER_UNAVAILABLE, True, 1),
    (BROKEN_SERVER, Reason.PROVIDER_UNAVAILABLE, False, 4),
    (RATE_LIMITED, Reason.RATE_LIMITED, False, 4),
    (Dropped(), Reason.NETWORK_ERROR, True, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, True, 1),
]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("fault", "reason", "unknown", "requests"), REFUSALS)
async def test_each_failure_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_stability: Environ, stability: Stability, fault: Fault, reason: Reason, unknown: bool, requests: int
) -> None:
    stability.next(*[fault] * 10)
    error = await refused(with_stability, asked("stability", prompt="a fox in the snow"))
    assert (error.reason, error.outcome_unknown) == (reason, unknown)
    assert len(stability.requests) == requests


@pytest.mark.usefixtures("hasty")
async def test_after_a_passing_failure_the_picture_comes(with_stability: Environ, stability: Stability) -> None:
    stability.next(BROKEN_SERVER, RATE_LIMITED)
    assert (await run(with_stability, asked("stability"))).images
    assert len(stability.requests) == 3


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(SHUT_OUT, 60), (emulated.trouble(429, "rate_limit_exceeded", "Slow.", retry_after="45"), 45)],
)
async def test_a_wait_longer_than_the_deadline_is_told_instead_of_waited(
    with_stability: Environ, stability: Stability, fault: Fault, seconds: float
) -> None:
    stability.next(fault)
    error = await refused(with_stability, asked("stability"), timeout=5)
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMITED, seconds)
    assert len(stability.requests) == 1


@pytest.mark.parametrize("fault", [Slow(3), Drip(every=0.1)], ids=["silence", "drip"])
async def test_a_timed_out_call_may_be_billed_and_is_not_sent_again(
    with_stability: Environ, stability: Stability, fault: Fault
) -> None:
    stability.next(fault)
    error = await refused(with_stability, asked("stability"), timeout=0.5)
    assert (error.reason, error.outcome_unknown) == (Reason.TIMEOUT, True)
    assert len(stability.requests) == 1


async def test_a_wrong_key_is_told_without_the_key_or_the_prompt(with_stability: Environ, stability: Stability) -> None:
    with_stability["STABILITY_API_KEY"] = "sk-somebody-elses"
    error = await refused(with_stability, asked("stability", prompt="the secret garden of my aunt"))
    told = f"{error!r} {error.message} {error.hint} {error.facts}"
    assert error.reason is Reason.AUTHENTICATION
    assert "sk-somebody-elses" not in told
    assert "secret garden" not in told


async def test_the_vendors_words_and_ids_are_passed_on_as_the_vendors(
    with_stability: Environ, stability: Stability
) -> None:
    stability.next(emulated.trouble(400, "bad_request", "seed: too\x1b[31m large", "prompt: too long"))
    error = await refused(with_stability, asked("stability"))
    assert error.message == "Stability answered 400 bad_request: “seed: too [31m large; prompt: too long”"
    assert error.facts["request_id"] == "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4"


async def test_a_missing_key_is_told_by_its_variable(stability: Stability, environ: Environ) -> None:
    error = await refused(environ, asked("ultra"))
    assert (error.reason, "STABILITY_API_KEY" in error.hint) == (Reason.AUTHENTICATION, True)
