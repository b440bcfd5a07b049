"""Tasks after a crash: collected from the vendor that has them, by who has the key, and not bought again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.flux_rules import PENDING
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer
from atelier.server.composition import job_store_of, pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.providers.jobs.recovery.conftest import OWL, a_desk, bought, left_behind, recovered

pytestmark = pytest.mark.anyio


async def test_a_task_is_collected_and_not_bought_again(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    bought = len([request for request in flux.requests if request.method == "POST"])
    found, calls = await recovered(with_flux, today, job)
    assert isinstance(found, ImageResult)
    assert found.images[0].picture.width == 512
    assert found.actual_usd == Decimal("0.03")
    assert (calls[0].state, len(calls[0].images)) == ("settled", 1)
    assert len([request for request in flux.requests if request.method == "POST"]) == bought == 1


async def test_a_task_that_the_vendor_forgot_is_unknown_or_billed_as_it_said(
    with_flux: Environ, today: Any, flux: Flux, soon: None
) -> None:
    task = {"id": "gone", "polling_url": f"{flux.polls.url}/v1/get_result?id=gone", "cost": 3.0}
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=task)
    found, calls = await recovered(with_flux, today, job)
    assert isinstance(found, ImageError)
    assert calls[0].state == "settled"  # the first answer had stated the price


async def test_without_the_key_a_task_stays_unknown(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    untrusted_client = {name: value for name, value in with_flux.items() if name != "BFL_API_KEY"}
    found, calls = await recovered(untrusted_client, today, job)
    assert found.outcome_unknown
    assert calls[0].state == "unknown"


async def test_the_same_call_waits_for_what_is_being_collected(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    settings = Settings.from_environ(with_flux)
    async with ImageService(pipeline_of(settings, storage_of(settings), today)) as service:
        result = await service.submit(OWL)
    assert result.id == job
    assert len([request for request in flux.requests if request.method == "POST"]) == 1


async def test_a_task_that_could_not_be_asked_for_after_a_restart_is_asked_for_later(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    task = await submitted()
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task={**task, "polling_url": "http://127.0.0.1:9/"})
    found, _ = await recovered({**with_flux, "ATELIER_TIMEOUT_SECONDS": "0.3"}, today, job)
    assert found.outcome_unknown
    store = job_store_of(Settings.from_environ(with_flux))
    (call,) = await store.list_calls(job)
    await store.save_vendor_task(call.id, task)  # the network is back
    await store.aclose()
    found, calls = await recovered(with_flux, today, job)
    assert isinstance(found, ImageResult)
    assert (calls[0].state, bought(flux)) == ("settled", 1)


@pytest.fixture
def both(with_openai: Environ, with_flux: Environ, openai: OpenAI, monkeypatch: pytest.MonkeyPatch) -> Environ:
    """Two vendors, the first of them out of service."""
    monkeypatch.setattr("atelier.providers.transport.retry.MAX_ATTEMPTS", 1)
    openai.next(*[Answer(503, {"error": {"message": "down"}})] * 20)
    return {**with_openai, **with_flux}


@exhaustive
async def test_a_job_that_moved_on_is_collected_from_the_vendor_that_has_it(
    both: Environ, today: Any, flux: Flux, soon: None
) -> None:
    flux.polls.next(*[PENDING] * 1000)
    fox = ImageRequest(prompt="a fox", model="gpt-image-2.5-flare", size="1024x1024")
    async with a_desk({**both, "ATELIER_TIMEOUT_SECONDS": "3"}, today, fallback=("flux-2-pro",)) as service:
        with pytest.raises(ImageError):
            await service.submit(fox)
        assert bought(flux) == 1
    flux.polls.script.clear()
    async with a_desk(both, today) as service:
        result = await service.submit(fox)
        assert isinstance(result, ImageResult)
        assert (result.provider, result.model) == ("flux", "flux-2-pro")
        assert [call.state for call in await service.pipeline.store.list_calls(result.id)] == ["released", "settled"]
    assert bought(flux) == 1


async def test_who_has_no_key_leaves_the_task_to_those_who_have(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    untrusted_client = {name: value for name, value in with_flux.items() if name != "BFL_API_KEY"}
    await recovered(untrusted_client, today, job)
    async with a_desk(with_flux, today) as service:
        result = await service.submit(OWL)
    assert isinstance(result, ImageResult)
    assert result.id == job
    assert bought(flux) == 1
