"""What the settings say reaches the parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Slow
from atelier.server.composition import pipeline_of, sources_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ, png
from tests.exhaustive import exhaustive

pytestmark = pytest.mark.anyio

REQUEST = ImageRequest(prompt="a fox", model="openai")


@exhaustive
async def test_timeout_and_repetition(with_openai: Environ, openai: OpenAI, today: Callable[[], date]) -> None:
    with_openai |= {"ATELIER_TIMEOUT_SECONDS": "1.5", "ATELIER_RETRY_TIMEOUTS": "true"}
    openai.next(Slow(3))
    settings = Settings.from_environ(with_openai)
    async with pipeline_of(settings, storage_of(settings), today) as pipeline:
        assert (await pipeline.run(REQUEST)).images
    assert len(openai.requests) == 2
    with_openai |= {"ATELIER_TIMEOUT_SECONDS": "0.5", "ATELIER_RETRY_TIMEOUTS": "false"}
    openai.next(Slow(3))
    settings = Settings.from_environ(with_openai)
    async with pipeline_of(settings, storage_of(settings), today) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(REQUEST)
    assert caught.value.reason is Reason.TIMEOUT
    assert len(openai.requests) == 3


async def test_concurrency(with_openai: Environ, openai: OpenAI, today: Callable[[], date]) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    openai.next(Slow(0.4))
    settings = Settings.from_environ(with_openai)
    async with pipeline_of(settings, storage_of(settings), today) as pipeline, anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline.run, REQUEST)
        tasks.start_soon(pipeline.run, REQUEST)
        with anyio.fail_after(10):
            while not openai.requests:
                await anyio.sleep(0.01)
        await anyio.sleep(0.2)  # less than the first takes
        assert len(openai.requests) == 1
    assert len(openai.requests) == 2


async def test_folders(environ: Environ, tmp_path: Path, today: Callable[[], date]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "fox.png").write_bytes(png(8, 8))
    environ["ATELIER_INPUT_DIRS"] = str(tmp_path / "in")
    settings = Settings.from_environ(environ)
    async with pipeline_of(settings, storage_of(settings), today) as pipeline:
        assert (await pipeline.sources.read(str(tmp_path / "in" / "fox.png"))).picture.width == 8
        kept = await pipeline.run(ImageRequest(prompt="a fox", model="sketch", size="64x64"))
        stored = kept.images[0].stored
        assert stored is not None
        assert (await pipeline.sources.read("last")).id == stored.id
        assert Path(stored.path or "").is_relative_to(tmp_path / "out")


async def test_the_limits_on_sources_and_plain_http(environ: Environ, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fox.png").write_bytes(png(200, 100))
    environ |= {"ATELIER_SOURCE_MAX_MEGAPIXELS": "0.01"}
    settings = Settings.from_environ(environ)
    sources = sources_of(settings, storage_of(settings), settings.readable)
    with pytest.raises(ImageError, match="200x100"):
        await sources.read(str(tmp_path / "out" / "fox.png"))
    with pytest.raises(ImageError, match="not https"):
        await sources.read("http://pictures.example.com/fox.png")
    environ |= {"ATELIER_SOURCE_MAX_MEGAPIXELS": "1", "ATELIER_ALLOW_HTTP_SOURCES": "true"}
    sources = sources_of(Settings.from_environ(environ), storage_of(settings), settings.readable)
    assert (await sources.read(str(tmp_path / "out" / "fox.png"))).picture.width == 200
    with pytest.raises(ImageError, match="private network"):
        await sources.read("http://127.0.0.1/fox.png")
    remote = sources_of(settings, storage_of(settings))
    with pytest.raises(ImageError, match="Paths are not allowed here"):
        await remote.read(str(tmp_path / "out" / "fox.png"))
