"""Who leaves the desk early pays nothing, who leaves late loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.types import ImageRequest, ImageResult
from atelier.providers.desk import Running
from tests.conftest import Environ
from tests.emulators.openai import OpenAI
from tests.emulators.server import Slow
from tests.providers.desk.conftest import FOX, Open, pictures, settled

pytestmark = pytest.mark.anyio


async def test_who_leaves_before_anything_is_sent_pays_nothing(
    desk: Open, rows: Callable[[], Any], openai: OpenAI, with_openai: Environ
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    openai.next(Slow(0.3))
    other = ImageRequest(prompt="an owl", model="openai", quality="low", size="1024x1024")
    async with desk() as one, anyio.create_task_group() as tasks:
        tasks.start_soon(one.draw, other)
        while not openai.requests:
            await anyio.sleep(0.01)
        with anyio.move_on_after(0.05):
            await one.draw(FOX)
    assert len(openai.requests) == 1
    found = {row.request["prompt"]: row for row in await rows()}
    assert (found["a fox"].state, found["a fox"].reserved_usd) == ("cancelled", 0)
    assert found["an owl"].state == "done"


async def test_who_leaves_after_it_was_sent_finds_it_on_the_next_call(
    desk: Open, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(Slow(0.2))
    async with desk() as one:
        with anyio.move_on_after(0.1):
            await one.draw(FOX)
        await settled(one)
        result = await one.draw(FOX)
    assert len(openai.requests) == 1
    assert len(await pictures(tmp_path / "out")) == 1
    assert isinstance(result, ImageResult)


async def test_one_of_two_who_leaves_does_not_take_the_job_along(
    desk: Open, openai: OpenAI, with_openai: Environ
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    openai.next(Slow(0.2))
    other = ImageRequest(prompt="an owl", model="openai", quality="low", size="1024x1024")
    results = list[Any]()
    async with desk() as one, anyio.create_task_group() as tasks:

        async def stay() -> None:
            results.append(await one.draw(FOX))

        tasks.start_soon(one.draw, other)
        while not openai.requests:
            await anyio.sleep(0.01)
        tasks.start_soon(stay)
        with anyio.move_on_after(0.05):
            await one.draw(FOX)
    assert len(results) == 1
    assert len(openai.requests) == 2


async def test_leaving_the_desk_waits_for_what_was_sent(desk: Open, openai: OpenAI, rows: Callable[[], Any]) -> None:
    openai.next(Slow(0.2))
    async with desk(wait=0.05) as one:
        assert isinstance(await one.draw(FOX), Running)
    assert [row.state for row in await rows()] == ["done"]
