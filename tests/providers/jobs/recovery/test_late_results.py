"""What came too late for its call: the same call collects it, and tells what cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, text

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.stored_job import fingerprint
from atelier.providers.pipeline.admit import check_and_price
from atelier.providers.pipeline.job_store import CallIdentity
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.flux_rules import PENDING
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Answer
from atelier.providers.transport.wire import MAX_POLL_FAILURES
from tests.conftest import Environ, files_in
from tests.providers.jobs.recovery.conftest import OWL, a_desk, bought, left_behind, recovered

pytestmark = pytest.mark.anyio

WREN = replace(OWL, prompt="a wren")


@pytest.fixture
def slow_flux(with_flux: Environ, flux: Flux, soon: None) -> Environ:
    """A vendor that is longer at work than a call may take."""
    flux.polls.next(*[PENDING] * 100)
    return {**with_flux, "ATELIER_TIMEOUT_SECONDS": "0.3"}


async def test_what_outlasts_the_deadline_is_collected_by_the_same_call(
    slow_flux: Environ, today: Any, flux: Flux
) -> None:
    async with a_desk(slow_flux, today) as service:
        with pytest.raises(ImageError) as caught:
            await service.submit(OWL)
        assert "the same call, or get_image with job_" in caught.value.hint.lower()
        flux.polls.script.clear()
        result = await service.submit(OWL)
        assert isinstance(result, ImageResult)
        assert result.images[0].stored
        assert result.actual_usd == Decimal("0.03")
        (call,) = await service.pipeline.store.list_calls(result.id)
    assert (call.state, bought(flux)) == ("settled", 1)


async def test_what_outlasts_the_deadline_is_collected_by_its_id(slow_flux: Environ, today: Any, flux: Flux) -> None:
    async with a_desk(slow_flux, today) as service:
        with pytest.raises(ImageError):
            await service.submit(OWL)
        alike = fingerprint(check_and_price(service.pipeline.catalog, OWL), False, service.pipeline.home)
        row = await service.pipeline.store.find_duplicate(CallIdentity(caller="1", fingerprint=alike))
        assert row
        assert row.collectable
        flux.polls.script.clear()
        result = await service.get_result(row.id)
    assert isinstance(result, ImageResult)
    assert bought(flux) == 1


def an_hour_ago(connection: Connection) -> None:
    connection.execute(text("UPDATE jobs SET created_at = datetime('now', '-1 hour')"))


async def test_what_the_vendor_does_not_finish_in_half_an_hour_is_bought_anew_with_a_warning(
    slow_flux: Environ, today: Any, flux: Flux
) -> None:
    async with a_desk(slow_flux, today) as service:
        with pytest.raises(ImageError):
            await service.submit(OWL)
        store: Any = service.pipeline.store
        (row,) = await store.list_jobs(5)
        await store.database.write(an_hour_ago)
        flux.polls.script.clear()
        result = await service.submit(OWL)
    assert isinstance(result, ImageResult)
    assert result.id != row.id
    assert any(row.id in warning for warning in result.warnings), result.warnings
    assert bought(flux) == 2


async def test_a_picture_of_several_that_came_too_late_joins_the_others(
    slow_flux: Environ, today: Any, flux: Flux
) -> None:
    flux.polls.script.clear()
    flux.polls.next(None, *[PENDING] * 100)  # the first call's image is ready at once, and the second's is not
    async with a_desk({**slow_flux, "ATELIER_CONCURRENCY": "1"}, today) as service:
        first = await service.submit(replace(OWL, count=2))
        assert isinstance(first, ImageResult)
        assert len(first.images) == 1
        assert f"get_image with {first.id}" in first.warnings[1]
        service.mark_delivered(first.id)
        flux.polls.script.clear()
        await service.recover()
        while service.active_jobs:
            await anyio.sleep(0.01)
        whole = await service.submit(replace(OWL, count=2))  # which has not been delivered whole
    assert isinstance(whole, ImageResult)
    assert whole.id == first.id
    assert {kept.stored and kept.stored.id for kept in first.images} < {k.stored and k.stored.id for k in whole.images}
    assert (len(whole.images), whole.actual_usd, bought(flux)) == (2, Decimal("0.06"), 2)


async def test_where_one_of_several_was_never_sent_and_the_others_came_too_late_those_are_collected(
    slow_flux: Environ, today: Any, flux: Flux
) -> None:
    full = [ImageError(Reason.STORAGE_FAILED, "The journal is full.")]
    async with a_desk(slow_flux, today) as service:
        store = service.pipeline.store
        sent = store.mark_sent

        async def full_once(call: str) -> bool:
            if full:
                raise full.pop()
            return await sent(call)

        setattr(store, "mark_sent", full_once)  # noqa: B010 - an instance's own
        with pytest.raises(ImageError) as caught:
            await service.submit(replace(OWL, count=3))
        assert caught.value.outcome_unknown
        assert "The same call" in caught.value.hint
        flux.polls.script.clear()
        result = await service.submit(replace(OWL, count=3))
    assert isinstance(result, ImageResult)
    assert (len(result.images), result.actual_usd, bought(flux)) == (2, Decimal("0.06"), 2)
    assert "1 of 3 images failed earlier." in result.warnings


async def test_a_link_that_did_not_answer_is_followed_later_and_the_others_are_kept_once(
    with_xai: Environ, today: Any, xai: XAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelier.providers.transport.retry.MAX_ATTEMPTS", 1)
    xai.always_links = True
    xai.next(None, None, *[Answer(503, b"")] * 4)
    two = ImageRequest(prompt="a fox", model="grok", count=2)
    async with a_desk(with_xai, today) as service:
        first = await service.submit(two)
        assert isinstance(first, ImageResult)
        assert len(first.images) == 1
        service.mark_delivered(first.id)
        xai.script.clear()
        await service.recover()
        while service.active_jobs:
            await anyio.sleep(0.01)
        whole = await service.submit(two)
    assert isinstance(whole, ImageResult)
    assert (whole.id, len(whole.images)) == (first.id, 2)
    assert whole.actual_usd == first.actual_usd
    assert len([path for path in files_in(Path(with_xai["ATELIER_OUTPUT_DIR"])) if path.suffixes == [".jpg"]]) == 2
    assert len([request for request in xai.requests if request.method == "POST"]) == 1


@pytest.mark.parametrize("status", [403, 404])
async def test_what_was_billed_and_not_handed_out_is_told_as_such(
    with_flux: Environ, today: Any, flux: Flux, soon: None, status: int
) -> None:
    flux.next(None, *[Answer(status, b"gone")] * 2)
    async with a_desk(with_flux, today) as service:
        with pytest.raises(ImageError):
            await service.submit(OWL)
        result = await service.submit(OWL)
    assert isinstance(result, ImageResult)
    assert "it was billed $0.03, but no image was received" in result.warnings[0]


REFUSALS = [Answer(401, {}), Answer(403, {}), Answer(402, {}), Answer(425, b""), Answer(307, b"", {"location": "/x"})]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda answer: str(answer.status))
async def test_a_poll_that_is_refused_says_nothing_of_the_picture_which_is_collected_later(
    with_flux: Environ, today: Any, flux: Flux, soon: None, refusal: Answer
) -> None:
    async with a_desk(with_flux, today) as service:
        flux.polls.next(refusal)
        assert isinstance(await service.submit(OWL), ImageResult)  # one is forgiven
        flux.polls.next(*[refusal] * (MAX_POLL_FAILURES + 1))
        with pytest.raises(ImageError) as caught:
            await service.submit(WREN)
        assert "The same call" in caught.value.hint
        assert isinstance(await service.submit(WREN), ImageResult)
    assert bought(flux) == 2


async def test_another_key_does_not_end_a_task_for_those_who_have_the_right_one(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    found, _ = await recovered({**with_flux, "BFL_API_KEY": "wrong"}, today, job)
    assert found.reason is Reason.AUTHENTICATION
    found, _ = await recovered(with_flux, today, job)
    assert isinstance(found, ImageResult)
    assert bought(flux) == 1
