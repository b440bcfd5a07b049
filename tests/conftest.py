"""Fixtures of all tests: a fixed date, a clean environment, emulators, the pipeline and a connected client."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import is_hypothesis_test, settings
from mcp.client import Client

from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.testing.conformance.bench import TODAY
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.images import encoded_png, png
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.exhaustive import exhaustive, is_selected, parameters
from tests.wheel import Wheel, installed

pytest_plugins = ["tests.faults.tally", "tests.leaks"]

EXTRA_WORKERS = 2

__all__ = ["TODAY", "encoded_png", "png"]

Environ = dict[str, str]

NO_FILES = {"ATELIER_CONFIG": os.devnull, "ATELIER_DOTENV": "off"}
"""Keeps the settings files of the developer from the tests."""

Connect = Callable[..., AbstractAsyncContextManager[Client]]


def pytest_configure(config: pytest.Config) -> None:
    """Let tests that draw examples draw few in a fast run and many in an exhaustive one."""
    settings.load_profile("exhaustive" if is_selected(config) else "fast")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without garbage collection, and leave out of it what that made: a sixth of the time of the fast part."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return more workers than cores: a test waits for processes and timeouts nearly half of its time."""
    return (os.cpu_count() or 1) + EXTRA_WORKERS


@pytest.hookimpl(tryfirst=True)  # before `-m` deselects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that draw examples as exhaustive in an exhaustive run, where they draw more."""
    if is_selected(config):
        for item in items:
            if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
                item.add_marker(exhaustive)


@pytest.fixture(scope="session")
def installed_wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """The wheel in an environment that has nothing else, one for all workers."""
    base = tmp_path_factory.getbasetemp()  # of this run, or of this worker below the folder of the run
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "installed-wheel"
    with FileLock(f"{folder}.lock"):
        return installed(folder)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Remove the keys and settings of the developer's environment."""
    for name in list(os.environ):
        if name.startswith(("ATELIER_", "AWS_", "OTEL_")) or name.endswith(
            ("_API_KEY", "_API_TOKEN", "_BASE_URL", "_API_KEY_FILE")
        ):
            monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)
    for name, value in NO_FILES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # else boto3 asks the network for credentials


@pytest.fixture
def today() -> Callable[[], date]:
    return lambda: TODAY


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    """Return an environment without keys that stores pictures below the test's folder."""
    return NO_FILES | {"ATELIER_OUTPUT_DIR": str(tmp_path / "out"), "ATELIER_STATE_DIR": str(tmp_path / "state")}


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
    """Return the environment with the emulator of OpenAI."""
    environ |= {"OPENAI_API_KEY": openai.key, "OPENAI_BASE_URL": openai.url}
    return environ


@pytest.fixture
def with_gemini(environ: Environ, gemini: Gemini) -> Environ:
    """Return the environment with the emulator of Google."""
    environ |= {"GOOGLE_API_KEY": gemini.key, "GOOGLE_GEMINI_BASE_URL": gemini.url}
    return environ


@pytest.fixture
def with_flux(environ: Environ, flux: Flux) -> Environ:
    """Return the environment with the emulator of Black Forest Labs."""
    environ |= {"BFL_API_KEY": flux.key, "BFL_BASE_URL": flux.url}
    return environ


@pytest.fixture
def with_xai(environ: Environ, xai: XAI) -> Environ:
    """Return the environment with the emulator of xAI."""
    environ |= {"XAI_API_KEY": xai.key, "XAI_BASE_URL": xai.url}
    return environ


@pytest.fixture
def with_stability(environ: Environ, stability: Stability) -> Environ:
    """Return the environment with the emulator of Stability."""
    environ |= {"STABILITY_API_KEY": stability.key, "STABILITY_BASE_URL": stability.url}
    return environ


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the pauses between attempts, except a Retry-After."""

    def lowest(low: float, high: float) -> float:
        return low

    monkeypatch.setattr("random.uniform", lowest)


@pytest.fixture
def pipeline(environ: Environ, today: Callable[[], date]) -> Callable[[], Pipeline]:
    """Return a function that builds the pipeline from the current environment."""

    def build() -> Pipeline:
        settings = Settings.from_environ(environ)
        return pipeline_of(settings, storage_of(settings), today)

    return build


@pytest.fixture(
    params=[parameters("legacy", is_fast=True, id="2025-11-25"), parameters("auto", is_fast=False, id="2026-07-28")]
)
def era(request: pytest.FixtureRequest) -> str:
    """The protocol era of a client: that of most hosts, and in the exhaustive part the newest."""
    return request.param


@pytest.fixture
def connect(era: Any, environ: Environ, today: Callable[[], date]) -> Connect:
    """Connect the official client to the server in this process, once for each protocol era."""

    @asynccontextmanager
    async def client(**options: Any) -> AsyncGenerator[Client]:
        server = build_server(Settings.from_environ(environ), today)
        async with Client(server, mode=era, **options) as connected:
            yield connected

    return client


def files_in(folder: Path) -> list[Path]:
    """Return every file below a folder; none when it does not exist."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
