"""What the tests of recovery share: jobs as dead processes leave them, tasks, and what the next start finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.killed import left_behind, recovered
from atelier.providers.vendors.flux import tasks as flux_tasks
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ

__all__ = ["left_behind", "recovered"]

OWL = ImageRequest(prompt="an owl", model="flux-2-pro", size="512x512")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flux_tasks, "POLL_INTERVAL", 0.01)


@pytest.fixture
def submitted(flux: Flux, with_flux: Environ, soon: None) -> Callable[[], Any]:
    """A task that the vendor has taken and billed."""

    async def submit() -> dict[str, Any]:
        from atelier.providers.transport.wire import httpx

        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{flux.url}/v1/flux-2-pro", json={"prompt": "an owl", "width": 512, "height": 512},
                headers={"x-key": flux.key},
            )  # fmt: skip
        return answer.json()

    return submit


def a_desk(environ: Environ, today: Any, **options: Any) -> ImageService:
    settings = Settings.from_environ(environ)
    return ImageService(pipeline_of(settings, storage_of(settings), today), **options)


def bought(flux: Flux) -> int:
    return len([request for request in flux.requests if request.method == "POST"])
