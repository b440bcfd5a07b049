"""edit_image: its sources come from anywhere, side by side, and within the time that the caller waits."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Self

import anyio
import pytest

from atelier.providers.images.sources import SourceReader
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import LONG, eventually
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.settings import Settings
from atelier.tools import edit_image
from atelier.tools.image_answer import ImageOutput
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.tool import Answer, Call
from tests.conftest import Environ
from tests.providers.transport.network.test_web_fetch import Site, World, at, web

pytestmark = pytest.mark.anyio

WAIT = 0.3  # seconds that a caller waits


class Watched(ImageService):
    """A desk that notes how long callers had waited before they came to it."""

    waited: list[float]

    def with_time_spent(self, seconds: float) -> Self:
        self.waited.append(seconds)
        return super().with_time_spent(seconds)


@pytest.fixture
def site() -> Generator[Site]:
    with (emulator := Site()).serving():
        yield emulator


async def no_progress(word: str) -> None:
    """Told to nobody."""


def desk_of(environ: Environ, today: Any) -> Watched:
    settings = Settings.from_environ(environ)
    pipeline = pipeline_of(settings, storage_of(settings), today)
    pipeline.sources = SourceReader(web=web(World(), seconds=10 * LONG))
    service = Watched(pipeline, wait=WAIT)
    service.waited = []
    return service


async def test_slow_sources_come_side_by_side_and_take_of_the_time_that_the_caller_waits(
    with_openai: Environ, openai: OpenAI, site: Site, today: Any
) -> None:
    late, held = Held(), Held()
    site.next(late, late, late)
    openai.next(held)
    urls = [at(site, f"/fox.png?{number}") for number in range(3)]
    given = {"image": urls[0], "images": urls[1:], "prompt": "red", "model": "openai", "quality": "low"}
    answers = list[Answer]()
    async with desk_of(with_openai, today) as service, anyio.create_task_group() as tasks:

        async def ask() -> None:
            asked = parameters_of(edit_image.TOOL, given)
            answers.append(await edit_image.run(asked, service, Call(caller="1", on_progress=no_progress)))

        tasks.start_soon(ask)
        await eventually(lambda: len(site.requests) == 3)  # before any of them is there
        await anyio.sleep(WAIT)
        late.go.set()
        await held.arrival()
        await eventually(lambda: answers)
        held.go.set()
    assert isinstance(answers[0].data, ImageOutput)
    assert answers[0].data.status == "running"
    assert service.waited[0] >= WAIT
    assert len(openai.requests) == 1


async def test_a_source_that_cannot_be_had_is_told_without_waiting_for_the_others(
    with_openai: Environ, openai: OpenAI, site: Site, today: Any
) -> None:
    held = Held()
    site.next(held)
    given = {"image": at(site, "/fox.png"), "images": ["nonsense"], "prompt": "red", "model": "openai"}
    async with desk_of(with_openai, today) as service:
        with anyio.fail_after(LONG), pytest.raises(Exception, match="does not name an image"):
            await edit_image.run(
                parameters_of(edit_image.TOOL, given), service, Call(caller="1", on_progress=no_progress)
            )
        held.go.set()
    assert openai.requests == []
