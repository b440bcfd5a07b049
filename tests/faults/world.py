"""The ground that the fault suite stands on: emulators with a proxy before each, and what is asked of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.identify import picture
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Bill
from atelier.providers.testing.waiting import until
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import NO_FILES, TODAY, Environ, png
from tests.faults.proxy import Proxy

SOURCE = png(128, 128)
VENDORS = ("openai", "flux", "stability", "relight", "xai")
"""What is asked of whom; `relight` is Stability's, answered with a task."""
TASKS = ("flux", "relight")
"""Those that answer with a task."""


@dataclass(frozen=True, slots=True)
class World:
    """Emulators and the proxies before them, by the vendor's name."""

    openai: OpenAI
    flux: Flux
    stability: Stability
    xai: XAI
    proxies: dict[str, Proxy]

    def reset(self) -> None:
        """As if just begun: a late request of one test must not reach the next."""
        for proxy in self.proxies.values():
            proxy.cut()
        for emulator in (self.openai, self.flux, self.flux.polls, self.stability, self.xai):
            until(lambda emulator=emulator: not emulator.under_way)
        self.openai.reset()
        self.flux.reset()
        self.stability.renew()
        self.xai.reset()
        self.flux.one_host, self.stability.poll_interval, self.xai.always_links = True, 0.0, True
        self.reset_proxies()

    def reset_proxies(self) -> None:
        """Nothing is broken any more."""
        for proxy in self.proxies.values():
            proxy.reset()

    def proxy(self, vendor: str) -> Proxy:
        """The one before that vendor."""
        return self.proxies["stability" if vendor == "relight" else vendor]

    @property
    def billed(self) -> list[Bill]:
        """What all of them would bill."""
        return [*self.openai.billed, *self.flux.billed, *self.stability.billed, *self.xai.billed]

    def environ(self, folder: Path, **more: str) -> Environ:
        """The environment of someone whose vendors are behind the proxies, with a state of their own."""
        at = {name: proxy.url for name, proxy in self.proxies.items()}
        return {
            **NO_FILES,
            "ATELIER_OUTPUT_DIR": str(folder / "out"),
            "ATELIER_STATE_DIR": str(folder / "state"),
            "ATELIER_INPUT_DIRS": str(folder),
            "OPENAI_API_KEY": self.openai.key,
            "OPENAI_BASE_URL": f"{at['openai']}/v1",
            "BFL_API_KEY": self.flux.key,
            "BFL_BASE_URL": at["flux"],
            "STABILITY_API_KEY": self.stability.key,
            "STABILITY_BASE_URL": at["stability"],
            "XAI_API_KEY": self.xai.key,
            "XAI_BASE_URL": f"{at['xai']}/v1",
            **more,
        }


@contextlib.contextmanager
def world() -> Generator[World]:
    """All of it, until the block ends."""
    openai, flux, stability, xai = OpenAI(), Flux(), Stability(), XAI()
    emulators = {"openai": openai, "flux": flux, "stability": stability, "xai": xai}
    with ExitStack() as stack:
        for emulator in emulators.values():
            stack.enter_context(emulator.serving())
        proxies = {name: Proxy(emulator) for name, emulator in emulators.items()}
        for proxy in proxies.values():
            stack.enter_context(proxy.serving())
        yield World(openai, flux, stability, xai, proxies)


def request_for(vendor: str, count: int = 1, prompt: str = "a fox") -> ImageRequest:
    """Pictures of that vendor. OpenAI and xAI make several in one call, the others one in each."""
    words: dict[str, Any] = {
        "openai": {"model": "gpt-image-2.5-flare", "size": "1024x1024", "quality": "low"},
        "flux": {"model": "flux-2-pro", "size": "256x256"},
        "stability": {"model": "stable-image-core"},
        "relight": {
            "model": "stable-image-replace-background-and-relight",
            "operation": Operation.REPLACE_BACKGROUND,
            "sources": (picture(SOURCE),),
        },
        "xai": {"model": "grok-imagine-image-2.0"},
    }[vendor]
    return ImageRequest(prompt=prompt, count=count, **words)


def arguments_for(vendor: str, folder: Path, count: int = 1) -> tuple[str, dict[str, Any]]:
    """The same as a tool and what it is called with; a source picture is put into the folder."""
    request = request_for(vendor, count)
    asked: dict[str, Any] = {"prompt": request.prompt, "model": request.model, "n": count}
    if request.size:
        asked["size"] = request.size
    if request.quality:
        asked["quality"] = request.quality
    if not request.sources:
        return "generate_image", asked
    (source := folder / "source.png").write_bytes(SOURCE)
    return "edit_image", {**asked, "image": str(source), "operation": request.operation.value}


@asynccontextmanager
async def desk_over(environ: Environ, **options: Any) -> AsyncGenerator[ImageService]:
    """The product's desk over the product's parts, which takes up first what was left behind."""
    settings = Settings.from_environ(environ)
    storage = storage_of(settings)
    async with ImageService(pipeline_of(settings, storage, lambda: TODAY), wait=None, **options) as service:
        await service.recover()
        async for _ in storage.flush():
            pass
        yield service


def micro(usd: Decimal) -> int:
    """USD in whole micro-USD, as the ledger keeps it."""
    return int((usd * 1_000_000 + Decimal("0.5")) // 1)
