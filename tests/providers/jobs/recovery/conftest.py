"""What the tests of recovery share: jobs as dead processes leave them, tasks, and what the next start finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from atelier.providers.vendors.flux import adapter as flux_vendor
from atelier.providers.pipeline.admit import admit
from atelier.providers.pricing.budget import Caps
from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import Desk
from atelier.providers.pipeline.job_store import Entry
from atelier.providers.jobs.outcome import fingerprint, request_json
from atelier.providers.pipeline.reserve import accounts_of, charges_of
from atelier.server.composition import catalog_of, journal_of, pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ
from tests.emulators.flux import Flux
from tests.waiting import eventually

OWL = ImageRequest(prompt="an owl", model="flux-2-pro", size="512x512")


async def left_behind(
    environ: Environ,
    today: Any,
    request: ImageRequest,
    *,
    sent: bool,
    task: Mapping[str, Any] | None = None,
    count: int = 1,
) -> tuple[str, list[str]]:
    """A job as a process leaves it that is killed at some point; its id and those of its calls."""
    settings = Settings.from_environ(environ)
    catalog, journal = catalog_of(settings, today), journal_of(settings, today)
    admitted = admit(catalog, replace(request, count=count))
    accounts = accounts_of(catalog, journal, admitted, Caps())
    charges = charges_of(catalog, admitted, accounts, "1")
    home = storage_of(settings).home
    entry = Entry(
        id=admitted.job.id,
        caller="1",
        fingerprint=fingerprint(admitted, 0, home),
        request={**request_json(admitted), "home": home},
    )
    await journal.open(entry, charges, Caps())
    for account in accounts if sent else ():
        await account.sent()
        if task:
            await account.note(task)
    await journal.aclose()
    return admitted.job.id, [account.id for account in accounts]


async def recovered(environ: Environ, today: Any, job: str) -> tuple[Any, list[Any]]:
    """What the next start makes of the job: its result or its error, and its calls."""
    settings = Settings.from_environ(environ)
    async with Desk(pipeline_of(settings, storage_of(settings), today)) as desk:
        await desk.recover()
        await eventually(lambda: not desk.running)
        try:
            found: Any = await desk.collect(job)
        except ImageError as error:
            found = error
        return found, await desk.pipeline.journal.calls(job)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flux_vendor, "POLL_EVERY", 0.01)


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


def a_desk(environ: Environ, today: Any, **options: Any) -> Desk:
    settings = Settings.from_environ(environ)
    return Desk(pipeline_of(settings, storage_of(settings), today), **options)


def bought(flux: Flux) -> int:
    return len([request for request in flux.requests if request.method == "POST"])
