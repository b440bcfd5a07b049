"""edit_image: its sources come from anywhere, side by side, and within the time that the caller waits."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import anyio
import pytest

from atelier.providers.core.sources import Sources
from atelier.providers.desk import Desk
from atelier.server.assembly import pipeline_of, storage_of
from atelier.server.settings import Settings
from atelier.tools import edit_image
from atelier.tools.arguments import parameters_of
from atelier.tools.drawn import Drawn
from atelier.tools.tool import Call
from tests.conftest import Environ
from tests.emulators.openai import OpenAI
from tests.emulators.server import Slow
from tests.providers.core.test_fetch import Site, World, at, web

pytestmark = pytest.mark.anyio

LATE = 2.0  # seconds that every source takes


@pytest.fixture
def site() -> Generator[Site]:
    with (emulator := Site()).serving():
        yield emulator


async def silence(word: str) -> None:
    """Told to nobody."""


def desk_of(environ: Environ, today: Any) -> Desk:
    settings = Settings.from_environ(environ)
    pipeline = pipeline_of(settings, storage_of(settings), today)
    pipeline.sources = Sources(web=web(World()))
    return Desk(pipeline, wait=LATE)


async def test_slow_sources_come_side_by_side_and_take_of_the_time_that_the_caller_waits(
    with_openai: Environ, openai: OpenAI, site: Site, today: Any
) -> None:
    site.next(Slow(LATE), Slow(LATE), Slow(LATE))
    openai.next(Slow(3 * LATE))
    urls = [at(site, f"/fox.png?{number}") for number in range(3)]
    given = {"image": urls[0], "images": urls[1:], "prompt": "red", "model": "openai", "quality": "low"}
    async with desk_of(with_openai, today) as desk:
        began = anyio.current_time()
        asked = parameters_of(edit_image.TOOL, given)
        answer = await edit_image.run(asked, desk, Call(caller="1", tell=silence))
        took = anyio.current_time() - began
    assert isinstance(answer.data, Drawn)
    assert answer.data.status == "running"
    assert took < 2.5 * LATE
    assert len(openai.requests) == 1


async def test_a_source_that_cannot_be_had_is_told_without_waiting_for_the_others(
    with_openai: Environ, openai: OpenAI, site: Site, today: Any
) -> None:
    site.next(Slow(5 * LATE))
    given = {"image": at(site, "/fox.png"), "images": ["nonsense"], "prompt": "red", "model": "openai"}
    async with desk_of(with_openai, today) as desk:
        began = anyio.current_time()
        with pytest.raises(Exception, match="does not name a picture"):
            await edit_image.run(parameters_of(edit_image.TOOL, given), desk, Call(caller="1", tell=silence))
        assert anyio.current_time() - began < 4 * LATE
    assert openai.requests == []
