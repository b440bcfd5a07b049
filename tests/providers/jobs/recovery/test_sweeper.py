"""OrphanSweeper are taken up past turns and the breaker, and only where their pictures are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.jobs.recovery import recover_job
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.flux_rules import PENDING
from atelier.providers.testing.server import Answer, Held
from atelier.providers.testing.waiting import eventually, leave
from atelier.providers.transport.resilience import MAX_FAILURES
from atelier.server.composition import job_store_of
from atelier.server.settings import Settings
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.providers.jobs.recovery.conftest import OWL, a_desk, bought, left_behind, recovered

pytestmark = pytest.mark.anyio

DOWN = Answer(503, {"detail": "Service down."})


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, soon: None) -> None:
    """No pause between tries."""
    monkeypatch.setattr("random.uniform", least)


def least(low: float, high: float) -> float:
    return low


# turns and the breaker: what is paid for is collected past both


async def collected(service: ImageService) -> list[str]:
    """Take up what was left behind, wait for it, and tell how it ended; the newest first."""
    await service.recover()
    while service.active_jobs:
        await anyio.sleep(0.01)
    store: Any = service.pipeline.store
    return [row.state for row in await store.list_jobs(10)]


async def test_a_task_is_collected_while_the_breaker_is_open(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any], hasty: None
) -> None:
    task = await submitted()
    flux.next(*[DOWN] * 4 * MAX_FAILURES)
    async with a_desk(with_flux, today) as service:
        for number in range(MAX_FAILURES):
            with pytest.raises(ImageError):
                await service.submit(replace(OWL, prompt=f"owl {number}"))
        job, _ = await left_behind(with_flux, today, OWL, sent=True, task=task)
        assert (await collected(service))[0] == "done"
        result = await service.get_result(job)
        with pytest.raises(ImageError) as caught:
            await service.submit(replace(OWL, prompt="another owl"))
    assert isinstance(result, ImageResult)
    assert "failed 5 times in a row" in caught.value.message  # to collect a task is not to ask for a picture


@exhaustive
async def test_tasks_that_cannot_be_collected_do_not_open_the_breaker(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any], hasty: None
) -> None:
    for number in range(MAX_FAILURES):
        await left_behind(with_flux, today, replace(OWL, prompt=f"owl {number}"), sent=True, task=await submitted())
    flux.polls.next(*[DOWN] * 100)
    async with a_desk(with_flux, today) as service:
        assert await collected(service) == ["unknown"] * MAX_FAILURES
        flux.polls.script.clear()
        assert isinstance(await service.submit(replace(OWL, prompt="another owl")), ImageResult)


async def test_tasks_are_collected_where_no_call_may_wait_for_a_turn(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    for number in range(5):
        await left_behind(with_flux, today, replace(OWL, prompt=f"owl {number}"), sent=True, task=await submitted())
    flux.polls.next(*[PENDING] * 10)
    async with a_desk({**with_flux, "ATELIER_CONCURRENCY": "1", "ATELIER_QUEUE_LIMIT": "0"}, today) as service:
        assert await collected(service) == ["done"] * 5
    assert bought(flux) == 5


async def test_who_goes_away_does_not_keep_a_task_from_being_collected(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any], waiting: list[str]
) -> None:
    held = Held()
    flux.polls.next(held)
    for prompt in ("a wren", "an owl"):
        await left_behind(with_flux, today, replace(OWL, prompt=prompt), sent=True, task=await submitted())
    async with a_desk({**with_flux, "ATELIER_CONCURRENCY": "1"}, today) as service:
        await service.recover()
        for prompt in ("a wren", "an owl"):  # one has its turn, the other waits for it
            begun = len(waiting)
            await leave(
                partial(service.submit, replace(OWL, prompt=prompt)),
                partial(eventually, lambda begun=begun: len(waiting) > begun),
            )
        held.go.set()
        assert await collected(service) == ["done"] * 2
    assert bought(flux) == 2


async def test_who_keeps_pictures_elsewhere_takes_up_no_job_of_ours(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any], tmp_path: Path
) -> None:
    job, _ = await left_behind(with_flux, today, OWL, sent=True, task=await submitted())
    async with a_desk({**with_flux, "ATELIER_OUTPUT_DIR": str(tmp_path / "another")}, today) as service:
        await service.recover()
        assert not service.active_jobs
    found, _ = await recovered(with_flux, today, job)
    assert isinstance(found, ImageResult)
    assert bought(flux) == 1


async def test_one_of_which_nothing_can_be_written_strands_none_of_the_others(
    with_flux: Environ, today: Any, flux: Flux, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [(await left_behind(with_flux, today, replace(OWL, seed=n), sent=False))[0] for n in range(3)]
    strange, full = [RuntimeError("not understood")], [ImageError(Reason.STORAGE_FAILED, "The journal is full.")]

    async def odd(pipeline: Any, row: Any) -> Any:
        if strange:
            raise strange.pop()
        return await recover_job(pipeline, row)

    monkeypatch.setattr("atelier.providers.jobs.sweeper.recover_job", odd)
    async with a_desk(with_flux, today) as service:
        store: Any = service.pipeline.store
        finish = store.finish_job

        async def full_once(*arguments: Any) -> None:
            if full:
                raise full.pop()
            await finish(*arguments)

        store.finish_job = full_once
        with pytest.raises(ImageError, match="full"):
            await service.recover()
        await service.recover()
        assert [(await store.get_job(job)).state for job in jobs] == ["cancelled"] * 3


async def test_a_call_that_was_refused_for_free_is_not_asked_for_again(
    with_flux: Environ, today: Any, flux: Flux, submitted: Callable[[], Any]
) -> None:
    job, calls = await left_behind(with_flux, today, OWL, sent=True, task=await submitted(), count=2)
    store = job_store_of(Settings.from_environ(with_flux))
    await store.release_call(calls[0])
    await store.aclose()
    found, after = await recovered(with_flux, today, job)
    assert isinstance(found, ImageResult)
    assert found.actual_usd == Decimal("0.03")
    assert found.warnings == ("1 of 2 images failed earlier.",)
    assert sorted(call.state for call in after) == ["released", "settled"]
