"""What a dead process left behind without a task: released, unknown, or matched with what reached the disk."""

from __future__ import annotations

from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import anyio
import pytest
from sqlalchemy import update

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.tracing import new_id
from atelier.providers.core.types import ImageRequest
from atelier.providers.images.identify import picture
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer
from atelier.server.composition import job_store_of, storage_of
from atelier.server.database.schema import jobs
from atelier.server.settings import Settings
from tests.conftest import Environ, png
from tests.providers.jobs.recovery.conftest import a_desk, left_behind, recovered

pytestmark = pytest.mark.anyio

FOX = ImageRequest(prompt="a fox", model="gpt-image-2.5-flare", size="1024x1024", quality="low")


async def stored(environ: Environ, job: str, call: str, usd: float | None = 0.006) -> str:
    """A picture that reached the disk before the journal heard of it."""
    id = new_id("img")
    record = {
        "id": id,
        "job": job,
        "call": call,
        "provider": "openai",
        "model": "gpt-image-2.5-flare",
        "actual_usd": usd,
        "call_usd": usd,
    }
    await storage_of(Settings.from_environ(environ)).put(id, picture(png(8, 8)), record)
    return id


async def test_what_was_never_sent_is_released(with_openai: Environ, today: Any, openai: OpenAI) -> None:
    job, _ = await left_behind(with_openai, today, FOX, sent=False)
    found, calls = await recovered(with_openai, today, job)
    assert "before anything was sent" in found.message
    assert [call.state for call in calls] == ["released"]
    assert openai.requests == []


async def test_what_was_sent_without_a_trace_is_unknown_and_its_reservation_stays(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    job, _ = await left_behind(with_openai, today, FOX, sent=True)
    found, calls = await recovered(with_openai, today, job)
    assert found.outcome_unknown
    assert [call.state for call in calls] == ["unknown"]
    assert openai.requests == []


async def test_a_picture_that_had_just_reached_the_disk_is_matched(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    job, (call,) = await left_behind(with_openai, today, FOX, sent=True)
    id = await stored(with_openai, job, call)
    await stored(with_openai, "job_other", "chg_other")
    found, calls = await recovered(with_openai, today, job)
    assert isinstance(found, ImageResult)
    assert [kept.stored and kept.stored.id for kept in found.images] == [id]
    assert "found again" in found.warnings[0]
    assert (calls[0].state, calls[0].images) == ("settled", (id,))
    assert found.actual_usd == Decimal("0.006")
    assert openai.requests == []


async def test_pictures_that_were_lost_are_told(with_openai: Environ, today: Any, openai: OpenAI) -> None:
    job, (call,) = await left_behind(with_openai, today, FOX, sent=True, count=3)
    await stored(with_openai, job, call)
    found, _ = await recovered(with_openai, today, job)
    assert "2 of 3 images are missing" in found.warnings[0]


async def test_a_job_of_another_version_is_settled_all_the_same(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    job, _ = await left_behind(with_openai, today, FOX, sent=True)
    store = job_store_of(Settings.from_environ(with_openai))
    await store.database.write(
        lambda c: c.execute(update(jobs).values(request='{"operation": "sculpt", "model": "x/y"}'))
    )
    await store.aclose()
    found, calls = await recovered(with_openai, today, job)
    assert found.reason is Reason.INTERNAL
    assert calls[0].state == "unknown"


async def test_an_error_tells_of_the_earlier_job_in_the_dark_as_well(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    job, _ = await left_behind(with_openai, today, FOX, sent=True)
    openai.next(Answer(400, {"error": {"message": "no"}}))
    async with a_desk(with_openai, today) as service:
        await service.recover()
        with pytest.raises(ImageError) as caught:
            await service.submit(FOX)
        assert job in caught.value.hint
        result = await service.submit(FOX)
    assert isinstance(result, ImageResult)
    assert job in result.warnings[0]


async def test_an_old_picture_is_matched_however_many_are_newer(
    with_openai: Environ, today: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelier.providers.jobs.recovery.PAGE_SIZE", 2)
    job, (call,) = await left_behind(with_openai, today, FOX, sent=True)
    id = await stored(with_openai, job, call)
    for _ in range(5):
        await stored(with_openai, "job_other", "chg_other")
    found, _ = await recovered(with_openai, today, job)
    assert [kept.stored and kept.stored.id for kept in found.images] == [id]


async def test_a_caller_who_waits_for_a_job_whose_process_died_before_it_was_sent_gets_one_of_its_own(
    with_openai: Environ, today: Any, openai: OpenAI
) -> None:
    async with AsyncExitStack() as other, a_desk(with_openai, today) as service:
        job, _ = await left_behind(with_openai, today, FOX, sent=False, alive=other)
        results = list[Any]()

        async def submit() -> None:
            results.append(await service.submit(FOX))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(submit)
            await anyio.sleep(0.3)  # it waits for the other process
            assert openai.requests == []
            await other.aclose()
        assert isinstance(results[0], ImageResult)
        assert results[0].id != job
        with pytest.raises(ImageError, match="before anything was sent"):
            await service.get_result(job)
    assert len(openai.requests) == 1
