"""The counter of the desk: wait, then a ticket; join, collect, do not buy again; callers are kept apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.concurrency import no_progress
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest, Progress
from atelier.providers.jobs.service import MIN_WAIT, ImageService, JobHandle
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Dropped, Held, Slow
from atelier.providers.testing.waiting import LONG
from tests.conftest import Environ, files_in
from tests.providers.jobs.conftest import FOX, Open, Told, settled

pytestmark = pytest.mark.anyio


async def test_a_job_that_takes_long_gives_a_ticket_and_goes_on(service: Open, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    async with service(wait=0.05) as one:
        ticket = await one.submit(FOX)
        assert isinstance(ticket, JobHandle)
        assert (ticket.provider, ticket.model) == ("openai", "gpt-image-2.5-flare")
        again = await one.submit(FOX)
        assert isinstance(again, JobHandle)
        assert again.id == ticket.id
        held.go.set()
        await settled(one)
        result = await one.get_result(ticket.id)
    assert isinstance(result, ImageResult)
    assert result.id == ticket.id
    assert result.images[0].picture.width == 1024
    assert len(openai.requests) == 1


async def test_the_same_call_joins_the_one_that_runs_and_another_does_not(service: Open, openai: OpenAI) -> None:
    openai.next(Slow(0.2), Slow(0.2))
    results = list[Any]()
    async with service() as one, anyio.create_task_group() as tasks:
        for request in (FOX, FOX, ImageRequest(prompt="an owl", model="openai", quality="low", size="1024x1024")):

            async def call(request: ImageRequest = request) -> None:
                results.append(await one.submit(request))

            tasks.start_soon(call)
    assert len(openai.requests) == 2
    assert len({result.id for result in results}) == 2


async def test_a_result_that_was_not_delivered_is_collected_and_a_delivered_one_is_bought_anew(
    service: Open, openai: OpenAI
) -> None:
    async with service() as one:
        first = await one.submit(FOX)
        second = await one.submit(FOX)
        assert second.id == first.id
        assert [kept.stored.id for kept in second.images] == [kept.stored.id for kept in first.images]
        one.mark_delivered(second.id)
        third = await one.submit(FOX)
        assert third.id != first.id
    assert len(openai.requests) == 2


async def test_a_result_is_collected_by_another_process(service: Open, openai: OpenAI) -> None:
    async with service() as one:
        first = await one.submit(FOX)
    async with service() as another:
        second = await another.submit(FOX)
    assert second.id == first.id
    assert second.images[0].image_bytes == first.images[0].image_bytes
    assert second.actual_usd == first.actual_usd
    assert len(openai.requests) == 1


async def test_two_processes_share_one_job_and_who_waits_for_the_other_is_told_so(
    service: Open, openai: OpenAI
) -> None:
    held, elsewhere = Held(), Told("Another process")
    openai.next(held)
    results = list[Any]()
    async with service() as one, service() as another, anyio.create_task_group() as tasks:

        async def call(which: ImageService, on_progress: Progress) -> None:
            results.append(await which.submit(FOX, on_progress=on_progress))

        tasks.start_soon(call, one, no_progress)
        await held.arrival()
        tasks.start_soon(call, another, elsewhere)
        await elsewhere.it()
        held.go.set()
    assert len({result.id for result in results}) == 1
    assert len(openai.requests) == 1
    assert elsewhere.all == ["Another process is running this job."]


async def test_a_call_that_joins_hears_at_once_what_the_job_is_doing(service: Open, openai: OpenAI) -> None:
    held, merged_outcome = Held(), Told("OpenAI")
    openai.next(held)
    async with service() as one, anyio.create_task_group() as tasks:
        tasks.start_soon(one.submit, FOX)
        await held.arrival()
        tasks.start_soon(partial(one.submit, FOX, on_progress=merged_outcome))
        await merged_outcome.it()
        held.go.set()
    assert "Checking the request." not in merged_outcome.all
    assert len(openai.requests) == 1


async def test_a_call_in_other_words_joins_and_sends_nothing_of_its_own(service: Open, openai: OpenAI) -> None:
    openai.next(Slow(0.2))
    results = list[Any]()
    async with service() as one, anyio.create_task_group() as tasks:
        for request in (FOX, replace(FOX, prompt=" a fox ", size="1024 x 1024")):

            async def call(request: ImageRequest = request) -> None:
                results.append(await one.submit(request))

            tasks.start_soon(call)
    assert len({result.id for result in results}) == 1
    assert len(openai.requests) == 1


async def test_who_has_waited_before_is_given_the_rest_and_a_moment_at_least(service: Open, openai: OpenAI) -> None:
    held, hours = Held(), 10_000.0
    openai.next(held)
    async with service(wait=hours) as one:
        began = anyio.current_time()
        with anyio.fail_after(LONG):
            ticket = await one.with_time_spent(hours - 0.5).submit(FOX)
        assert isinstance(ticket, JobHandle)
        assert anyio.current_time() - began >= MIN_WAIT
        await held.arrival()  # it was begun all the same
        held.go.set()


async def test_callers_do_not_share(service: Open, openai: OpenAI) -> None:
    async with service() as one:
        mine = await one.submit(FOX, caller="1")
        theirs = await one.submit(FOX, caller="2")
        assert mine.id != theirs.id
        with pytest.raises(ImageError) as caught:
            await one.get_result(mine.id, caller="2")
    assert caught.value.reason is Reason.NOT_FOUND
    assert len(openai.requests) == 2


async def test_an_end_in_the_dark_is_told_once_to_who_asks_again(
    service: Open, openai: OpenAI, rows: Callable[[], Any]
) -> None:
    openai.next(Dropped())
    async with service() as one:
        with pytest.raises(ImageError) as caught:
            await one.submit(FOX)
        assert caught.value.outcome_unknown
        (lost,) = await rows()
        assert (lost.state, lost.delivered) == ("unknown", False)
        warned = await one.submit(FOX)
        one.mark_delivered(warned.id)
        silent = await one.submit(FOX)
    assert lost.id in warned.warnings[0]
    assert "may have been billed up to $0.0059" in warned.warnings[0]
    assert not any(lost.id in warning for warning in silent.warnings), silent.warnings
    assert len(openai.requests) == 3


async def test_a_failed_job_tells_its_reason_to_who_collects_it(
    service: Open, openai: OpenAI, rows: Callable[[], Any]
) -> None:
    openai.next(emulated.MODERATED)
    async with service() as one:
        with pytest.raises(ImageError):
            await one.submit(FOX)
        (row,) = await rows()
        with pytest.raises(ImageError) as caught:
            await one.get_result(row.id)
    assert (row.state, row.reserved_usd) == ("failed", 0)
    assert caught.value.reason is Reason.CONTENT_POLICY
    assert caught.value.facts["job"] == row.id


async def test_pictures_that_somebody_removed_are_made_anew(service: Open, openai: OpenAI, tmp_path: Path) -> None:
    async with service() as one:
        await one.submit(FOX)
        for path in files_in(tmp_path / "out"):
            path.unlink()
        again = await one.submit(FOX)
    assert isinstance(again, ImageResult)
    assert len(openai.requests) == 2


async def test_a_free_draft_needs_no_journal(service: Open, tmp_path: Path, with_openai: Environ) -> None:
    (tmp_path / "blocked").write_text("a file")
    with_openai["ATELIER_STATE_DIR"] = str(tmp_path / "blocked")
    async with service() as one:
        result = await one.submit(ImageRequest(prompt="a fox", model="sketch", size="64x64"))
        with pytest.raises(ImageError) as caught:
            await one.submit(FOX)
    assert isinstance(result, ImageResult)
    assert caught.value.reason is Reason.STORAGE_FAILED  # and nothing was sent
