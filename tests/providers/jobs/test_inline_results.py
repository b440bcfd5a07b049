"""Pictures in hand: stored when nobody takes them, and never both taken and collected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.types import ImageResult
from atelier.providers.jobs.service import JobHandle
from tests.emulators.openai import OpenAI
from tests.emulators.server import Held
from tests.providers.jobs.conftest import FOX, Open, pictures, settled
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def test_pictures_in_hand_are_not_collected_twice_but_stored_when_nobody_is_there(
    service: Open, openai: OpenAI, tmp_path: Path
) -> None:
    held = Held()
    openai.next(None, held)
    async with service() as one:
        taken = await one.submit(FOX, in_hand=10**9)
        assert taken.images[0].stored is None
        one.mark_delivered(taken.id)
        ticket = await one.with_wait(0.05).submit(FOX, in_hand=10**9)
        assert isinstance(ticket, JobHandle)
        held.go.set()
        await settled(one)
        result = await one.get_result(ticket.id)
    assert isinstance(result, ImageResult)
    assert result.images[0].stored is not None
    assert len(await pictures(tmp_path / "out")) == 1


async def test_pictures_in_hand_that_never_left_are_stored_and_collected(
    service: Open, rows: Callable[[], Any], openai: OpenAI, tmp_path: Path
) -> None:
    async with service() as one:
        taken = await one.submit(FOX, in_hand=10**9)
        assert await pictures(tmp_path / "out") == []
        one.abandon_delivery(taken.id)
        await settled(one)
        again = await one.submit(FOX, in_hand=10**9)
    assert again.id == taken.id
    assert again.images[0].stored is not None
    (row,) = await rows()
    assert [image["id"] for image in row.outcome["images"]] == [again.images[0].stored.id]
    assert len(openai.requests) == 1


async def test_pictures_in_hand_of_two_callers_are_stored_only_when_neither_took_them(
    service: Open, openai: OpenAI, tmp_path: Path, waiting: list[str]
) -> None:
    held = Held()
    openai.next(held)
    results = list[Any]()
    async with service() as one:
        async with anyio.create_task_group() as tasks:
            for _ in range(2):

                async def call() -> None:
                    results.append(await one.submit(FOX, in_hand=10**9))

                tasks.start_soon(call)
            await eventually(lambda: len(waiting) == 2)
            held.go.set()
        one.abandon_delivery(results[0].id)
        one.mark_delivered(results[1].id)
        await settled(one)
        another = await one.submit(FOX)
    assert results[0].id == results[1].id != another.id
    assert len(await pictures(tmp_path / "out")) == 1


async def test_pictures_in_hand_are_stored_when_the_desk_closes(service: Open, openai: OpenAI, tmp_path: Path) -> None:
    async with service() as one:
        await one.submit(FOX, in_hand=10**9)
    assert len(await pictures(tmp_path / "out")) == 1
