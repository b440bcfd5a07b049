"""What comes back from Stability: pictures at once, and results that are awaited on the same host."""

from __future__ import annotations

from typing import Any

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.testing.emulators import stability_rules as emulated
from atelier.providers.testing.emulators.stability import (
    BROKEN_JSON,
    BROKEN_SERVER,
    FILTERED,
    GONE,
    MODERATED,
    RATE_LIMITED,
    SEED,
    Stability,
    answer,
)
from atelier.providers.testing.server import Answer, Dropped, Fault
from atelier.providers.transport.retry import MAX_ATTEMPTS
from atelier.providers.transport.wire import MAX_POLL_FAILURES
from atelier.providers.vendors.stability import PROVIDER
from atelier.providers.vendors.stability import adapter as vendor
from tests.conftest import Environ, png
from tests.providers.vendors.stability.conftest import PHOTO, RELIT, Op, asked, refused, run
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("odd", [None, [], {"odd": 1}, "odd", True, -1, 2**70, 1.5, float("nan")], ids=repr)
async def test_what_is_beside_the_point_does_not_cost_the_picture(
    with_stability: Environ, stability: Stability, odd: Any
) -> None:
    stability.next(Answer(200, {**answer(png(64, 48)), "seed": odd, "id": odd}))
    assert (await run(with_stability, asked("stability"))).images[0].picture.width == 64
    stability.next(Answer(403, {"name": "content_moderation", "id": odd, "errors": ["Not that.", odd]}))
    error = await refused(with_stability, asked("stability"))
    assert (error.reason, "Not that." in error.message) == (Reason.CONTENT_POLICY, True)


@pytest.mark.parametrize(
    ("count", "seed", "seeds"), [(3, 7, ["7", "8", "9"]), (2, None, [None, None])], ids=["seeded", "unseeded"]
)
async def test_several_pictures_are_several_calls_with_a_seed_each(
    with_stability: Environ, stability: Stability, count: int, seed: int | None, seeds: list[str | None]
) -> None:
    result = await run(with_stability, asked("core", count=count, seed=seed))
    assert len(result.images) == len(stability.requests) == count
    assert sorted(str(form.fields.get("seed")) for form in stability.forms) == list(map(str, seeds))
    assert {"n", "count"}.isdisjoint(stability.form.fields)


async def test_a_result_is_awaited_with_the_key_on_the_same_host(
    with_stability: Environ, stability: Stability, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stability.poll_interval <= vendor.POLL_INTERVAL
    monkeypatch.setattr(vendor, "POLL_INTERVAL", 0.1)
    stability.busy, stability.poll_interval, told = 2, 0.09, list[str]()

    async def on_progress(message: str) -> None:
        told.append(message)

    async with open_pipeline(PROVIDER, with_stability) as pipeline:
        result = await pipeline.run(asked(RELIT, Op.REPLACE_BACKGROUND, sources=(PHOTO,)), on_progress=on_progress)
    assert "queued" in told[-1]
    submit, *polls = stability.requests
    id = result.details["generation"]
    assert [(poll.method, poll.path) for poll in polls] == [("GET", f"/v2beta/results/{id}")] * 3
    assert {poll.headers["authorization"] for poll in polls} == {submit.headers["authorization"]}
    assert {poll.headers["accept"] for poll in polls} == {"application/json"}
    assert result.images[0].picture.seed == SEED


async def test_a_busy_result_ends_at_the_deadline_and_may_be_collected_later(
    with_stability: Environ, stability: Stability
) -> None:
    stability.busy = 99
    error = await refused(with_stability, asked(RELIT, Op.REPLACE_BACKGROUND, sources=(PHOTO,)), timeout=2)
    assert (error.reason, error.outcome_unknown) == (Reason.TIMEOUT, True)
    assert error.facts["generation"] in stability.generations
    assert len(stability.requests) == 2


PATIENCE = (MAX_POLL_FAILURES + 1) * MAX_ATTEMPTS  # exchanges that a poll goes through before it gives up

POLLED: list[tuple[Fault, Reason, bool, int]] = [
    (GONE, Reason.NOT_FOUND, True, 2 + MAX_POLL_FAILURES),
    (emulated.trouble(404, "not_found", "Not found."), Reason.NOT_FOUND, True, 2 + MAX_POLL_FAILURES),
    (MODERATED, Reason.CONTENT_POLICY, False, 2),
    (FILTERED, Reason.CONTENT_POLICY, True, 2),
    (BROKEN_JSON, Reason.INVALID_RESPONSE, True, 2 + MAX_POLL_FAILURES),
    (Answer(200, {"finish_reason": "SUCCESS"}), Reason.INVALID_RESPONSE, True, 2 + MAX_POLL_FAILURES),
    (
        Answer(302, b"", {"location": "https://elsewhere.example/"}),
        Reason.INVALID_RESPONSE,
        True,
        2 + MAX_POLL_FAILURES,
    ),
    (RATE_LIMITED, Reason.RATE_LIMITED, True, 1 + PATIENCE),
    (Dropped(), Reason.NETWORK_ERROR, True, 1 + PATIENCE),
]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("fault", "reason", "unknown", "requests"), POLLED)
async def test_a_failure_to_collect_buys_nothing_again(
    with_stability: Environ, stability: Stability, fault: Fault, reason: Reason, unknown: bool, requests: int
) -> None:
    stability.next(None, *[fault] * (PATIENCE + 1))
    error = await refused(with_stability, asked("stable-image-upscale-creative", Op.UPSCALE, sources=(PHOTO,)))
    assert (error.reason, error.outcome_unknown) == (reason, unknown)
    assert [request.method for request in stability.requests] == ["POST", *["GET"] * (requests - 1)]


@pytest.mark.usefixtures("hasty")
async def test_after_a_passing_failure_to_collect_the_picture_comes(
    with_stability: Environ, stability: Stability
) -> None:
    stability.next(None, BROKEN_SERVER, RATE_LIMITED, Dropped())
    request = asked("stable-image-upscale-creative", Op.UPSCALE, sources=(PHOTO,))
    assert (await run(with_stability, request)).images
    assert [request.method for request in stability.requests] == ["POST", "GET", "GET", "GET", "GET"]


@pytest.mark.usefixtures("hasty")
async def test_the_key_does_not_follow_a_redirect(with_stability: Environ, stability: Stability) -> None:
    elsewhere = Stability()
    with elsewhere.serving():
        moved = Answer(307, b"", {"location": f"{elsewhere.url}/v2beta/results/1"})
        stability.next(moved, None, *[moved] * (MAX_POLL_FAILURES + 1))
        for request in (asked("core"), asked(RELIT, Op.REPLACE_BACKGROUND, sources=(PHOTO,))):
            assert (await refused(with_stability, request)).reason is Reason.INVALID_RESPONSE
    assert elsewhere.requests == []


async def test_an_image_file_in_place_of_json_is_the_image(with_stability: Environ, stability: Stability) -> None:
    facts = {"content-type": "image/png", "seed": "7", "finish-reason": "SUCCESS"}
    stability.next(Answer(200, png(64, 48), facts))
    (image,) = (await run(with_stability, asked("stability"))).images
    assert (image.picture.width, image.picture.seed) == (64, 7)
    stability.next(Answer(200, png(64, 48), {**facts, "finish-reason": vendor.FILTERED}))
    assert (await refused(with_stability, asked("stability"))).reason is Reason.CONTENT_POLICY
