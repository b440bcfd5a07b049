"""Who leaves the desk early pays nothing, who leaves late loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.results import ImageResult
from atelier.providers.jobs.service import JobHandle
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import eventually, leave
from tests.conftest import Environ
from tests.providers.jobs.conftest import FOX, Open, Told, pictures, settled

pytestmark = pytest.mark.anyio

OWL = replace(FOX, prompt="an owl")


async def test_who_leaves_before_anything_is_sent_pays_nothing(
    service: Open, rows: Callable[[], Any], openai: OpenAI, with_openai: Environ
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    held, turn = Held(), Told("Waiting")
    openai.next(held)
    async with service() as one, anyio.create_task_group() as tasks:
        tasks.start_soon(one.submit, OWL)
        await held.arrival()
        await leave(lambda: one.submit(FOX, on_progress=turn), turn.it)
        await eventually(lambda: len(one.active_jobs) == 1)
        held.go.set()
    assert len(openai.requests) == 1
    found = {row.request["prompt"]: row for row in await rows()}
    assert (found["a fox"].state, found["a fox"].reserved_usd) == ("cancelled", 0)
    assert found["an owl"].state == "done"


async def test_who_leaves_after_it_was_sent_finds_it_on_the_next_call(
    service: Open, openai: OpenAI, tmp_path: Path
) -> None:
    held = Held()
    openai.next(held)
    async with service() as one:
        await leave(lambda: one.submit(FOX), held.arrival)
        assert len(one.active_jobs) == len(openai.requests) == 1
        held.go.set()
        await settled(one)
        result = await one.submit(FOX)
    assert len(openai.requests) == 1
    assert len(await pictures(tmp_path / "out")) == 1
    assert isinstance(result, ImageResult)


async def test_one_of_two_who_leaves_does_not_take_the_job_along(
    service: Open, openai: OpenAI, with_openai: Environ, waiting: list[str]
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    held, turn = Held(), Told("Waiting")
    openai.next(held)
    results = list[Any]()
    async with service() as one, anyio.create_task_group() as tasks:

        async def stay() -> None:
            results.append(await one.submit(FOX, on_progress=turn))

        tasks.start_soon(one.submit, OWL)
        await held.arrival()
        tasks.start_soon(stay)
        await turn.it()
        await leave(lambda: one.submit(FOX), lambda: eventually(lambda: len(waiting) == 3))
        assert waiting[1] == waiting[2]
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    assert len(results) == 1
    assert len(openai.requests) == 2


async def test_leaving_the_desk_waits_for_what_was_sent(service: Open, openai: OpenAI, rows: Callable[[], Any]) -> None:
    held = Held()
    openai.next(held)

    async def let_go() -> None:
        await anyio.wait_all_tasks_blocked()  # whoever leaves stands at the door
        held.go.set()

    async with anyio.create_task_group() as tasks, service(wait=0.05) as one:
        assert isinstance(await one.submit(FOX), JobHandle)
        await held.arrival()
        tasks.start_soon(let_go)
    assert [row.state for row in await rows()] == ["done"]
