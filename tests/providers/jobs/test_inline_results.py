"""Images of `save=false`: stored until they are delivered, for an hour at most, and never bought twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.core.results import ImageResult
from atelier.providers.jobs.service import JobHandle
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held
from tests.conftest import Environ
from tests.providers.jobs.conftest import FOX, Open, pictures, settled

pytestmark = pytest.mark.anyio

LARGE = 10**9


async def test_an_inline_image_is_deleted_once_its_answer_is_delivered(service: Open, tmp_path: Path) -> None:
    async with service() as one:
        result = await one.submit(FOX, inline_limit=LARGE)
        assert isinstance(result, ImageResult)
        assert result.inline
        assert len(await pictures(tmp_path / "out")) == 1
        one.mark_delivered(result.id)
        await settled(one)
        assert await pictures(tmp_path / "out") == []


async def test_an_inline_image_that_was_not_delivered_is_collected_by_the_same_call(
    service: Open, openai: OpenAI, tmp_path: Path
) -> None:
    async with service() as one:
        first = await one.submit(FOX, inline_limit=LARGE)
    async with service() as another:  # as after a crash between the image and its answer
        again = await another.submit(FOX, inline_limit=LARGE)
        assert isinstance(again, ImageResult)
        assert (again.id, again.inline) == (first.id, True)
        another.mark_delivered(again.id)
        await settled(another)
        assert await pictures(tmp_path / "out") == []
    assert len(openai.requests) == 1


async def test_an_inline_image_that_takes_long_is_collected_by_its_job(service: Open, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    async with service() as one:
        handle = await one.with_wait(0.05).submit(FOX, inline_limit=LARGE)
        assert isinstance(handle, JobHandle)
        held.go.set()
        await settled(one)
        result = await one.get_result(handle.id)
    assert isinstance(result, ImageResult)
    assert result.inline


async def test_an_image_that_is_too_large_for_the_answer_stays_stored(service: Open, tmp_path: Path) -> None:
    async with service() as one:
        result = await one.submit(FOX, inline_limit=10)
        assert isinstance(result, ImageResult)
        assert not result.inline
        assert "too large to return inline" in " ".join(result.warnings)
        one.mark_delivered(result.id)
        await settled(one)
    assert len(await pictures(tmp_path / "out")) == 1


@pytest.mark.parametrize(("age", "left"), [("-59 minutes", 1), ("-61 minutes", 0)])
async def test_an_inline_image_is_deleted_after_an_hour(
    service: Open, rows: Callable[[], Any], with_openai: Environ, tmp_path: Path, age: str, left: int
) -> None:
    async with service() as one:
        await one.submit(FOX, inline_limit=LARGE)
    with sqlite3.connect(Path(with_openai["ATELIER_STATE_DIR"]) / "journal.db") as connection:
        connection.execute("UPDATE jobs SET created_at = datetime('now', ?)", (age,))
    async with service() as another:
        await another.recover()
    assert len(await pictures(tmp_path / "out")) == left
    (row,) = await rows()
    assert bool(row.outcome.get("inline")) == bool(left)
