"""What the tests of the desk share: desks on one journal and storage, and a look at what is in both."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.job_store import JobRow
from atelier.providers.testing.waiting import LONG, eventually
from atelier.server.composition import job_store_of, pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ, files_in

FOX = ImageRequest(prompt="a fox", model="gpt-image-2.5-flare", size="1024x1024", quality="low")

Open = Callable[..., Any]


@pytest.fixture
def service(with_openai: Environ, today: Any) -> Open:
    """A desk on the journal and storage of the test, as one process has it."""

    @asynccontextmanager
    async def opened(**options: Any) -> AsyncGenerator[ImageService]:
        settings = Settings.from_environ(with_openai)
        async with ImageService(pipeline_of(settings, storage_of(settings), today), **options) as made:
            yield made

    return opened


@pytest.fixture
def rows(with_openai: Environ) -> Callable[[], Any]:
    """What the journal has, newest first."""

    async def found() -> list[JobRow]:
        store = job_store_of(Settings.from_environ(with_openai))
        try:
            return await store.list_jobs(100)
        finally:
            await store.aclose()

    return found


class Told:
    """Whoever waits, until it hears a word."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.all: list[str] = []
        self._heard = anyio.Event()

    async def __call__(self, message: str) -> None:
        self.all.append(message)
        if self.word in message:
            self._heard.set()

    async def it(self) -> None:
        """Wait for the word."""
        with anyio.fail_after(LONG):
            await self._heard.wait()


async def pictures(folder: Path) -> list[Path]:
    return [path for path in files_in(folder) if path.suffix == ".png"]


async def settled(service: ImageService) -> None:
    """Wait until nothing runs any more."""
    await eventually(lambda: not service.active_jobs)
