"""What the tests share: a fixed day, an environment of their own, emulators, and ways to reach the server."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import is_hypothesis_test, settings
from mcp.client import Client
from PIL import Image

from atelier.providers.pipeline.pipeline import Pipeline
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.emulators.flux import Flux
from tests.emulators.gemini import Gemini
from tests.emulators.openai import OpenAI
from tests.emulators.server import Emulator
from tests.emulators.stability import Stability
from tests.emulators.xai import XAI
from tests.exhaustive import exhaustive, is_selected

pytest_plugins = ["tests.faults.tally"]

TODAY = date(2026, 11, 21)

Environ = dict[str, str]

NO_FILES = {"ATELIER_CONFIG": os.devnull, "ATELIER_DOTENV": "off"}
"""Keeps the settings files of the developer from the tests."""

Connect = Callable[..., AbstractAsyncContextManager[Client]]


def pytest_configure(config: pytest.Config) -> None:
    """Let tests that draw examples draw few in a fast run and many in an exhaustive one."""
    settings.load_profile("exhaustive" if is_selected(config) else "fast")


@pytest.hookimpl(tryfirst=True)  # before `-m` deselects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that draw examples as exhaustive in an exhaustive run, where they draw more."""
    if is_selected(config):
        for item in items:
            if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
                item.add_marker(exhaustive)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """The keys and settings of whoever runs the tests must not reach them."""
    for name in list(os.environ):
        if name.startswith(("ATELIER_", "AWS_")) or name.endswith(("_API_KEY", "_BASE_URL", "_API_KEY_FILE")):
            monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)
    for name, value in NO_FILES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # boto3 would ask the network who it is


@pytest.fixture
def today() -> Callable[[], date]:
    return lambda: TODAY


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    """An environment without any key; pictures go below the test's folder."""
    return NO_FILES | {"ATELIER_OUTPUT_DIR": str(tmp_path / "out"), "ATELIER_STATE_DIR": str(tmp_path / "state")}


Served = TypeVar("Served", bound=Emulator)


def served(emulator: Served) -> Iterator[Served]:
    """An emulator for one test alone: a late request of one test must not reach the next."""
    with emulator.serving():
        yield emulator


@pytest.fixture
def openai() -> Iterator[OpenAI]:
    yield from served(OpenAI())


@pytest.fixture
def gemini() -> Iterator[Gemini]:
    yield from served(Gemini())


@pytest.fixture
def flux() -> Iterator[Flux]:
    yield from served(Flux())


@pytest.fixture
def xai() -> Iterator[XAI]:
    yield from served(XAI())


@pytest.fixture
def stability() -> Iterator[Stability]:
    yield from served(Stability())


@pytest.fixture
def with_openai(environ: Environ, openai: OpenAI) -> Environ:
    """The environment of someone whose OpenAI is the emulator."""
    environ |= {"OPENAI_API_KEY": openai.key, "OPENAI_BASE_URL": openai.url}
    return environ


@pytest.fixture
def with_gemini(environ: Environ, gemini: Gemini) -> Environ:
    """The environment of someone whose Google is the emulator."""
    environ |= {"GOOGLE_API_KEY": gemini.key, "GOOGLE_GEMINI_BASE_URL": gemini.url}
    return environ


@pytest.fixture
def with_flux(environ: Environ, flux: Flux) -> Environ:
    """The environment of someone whose Black Forest Labs is the emulator."""
    environ |= {"BFL_API_KEY": flux.key, "BFL_BASE_URL": flux.url}
    return environ


@pytest.fixture
def with_xai(environ: Environ, xai: XAI) -> Environ:
    """The environment of someone whose xAI is the emulator."""
    environ |= {"XAI_API_KEY": xai.key, "XAI_BASE_URL": xai.url}
    return environ


@pytest.fixture
def with_stability(environ: Environ, stability: Stability) -> Environ:
    """The environment of someone whose Stability is the emulator."""
    environ |= {"STABILITY_API_KEY": stability.key, "STABILITY_BASE_URL": stability.url}
    return environ


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between tries, except what the vendor asks for."""

    def least(low: float, high: float) -> float:
        return low

    monkeypatch.setattr("random.uniform", least)


@pytest.fixture
def pipeline(environ: Environ, today: Callable[[], date]) -> Callable[[], Pipeline]:
    """Build the product's pipeline from the environment as it is by then."""

    def build() -> Pipeline:
        settings = Settings.from_environ(environ)
        return pipeline_of(settings, storage_of(settings), today)

    return build


@pytest.fixture(params=["auto", "legacy"], ids=["2026-07-28", "2025-11-25"])
def connect(request: Any, environ: Environ, today: Callable[[], date]) -> Connect:
    """The official client on the server in this process, once for each protocol era."""

    @asynccontextmanager
    async def client(**options: Any) -> AsyncGenerator[Client]:
        server = build_server(Settings.from_environ(environ), today)
        async with Client(server, mode=request.param, **options) as connected:
            yield connected

    return client


def files_in(folder: Path) -> list[Path]:
    """Every file below a folder, which need not exist."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def encoded_png(image: Image.Image) -> bytes:
    """A picture as a PNG."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def png(width: int, height: int, colour: Any = "navy", mode: str = "RGB") -> bytes:
    """A plain picture."""
    return encoded_png(Image.new(mode, (width, height), colour))
