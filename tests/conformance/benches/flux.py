"""The bench of Black Forest Labs."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import flux_rules as flux
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.server import Answer, Emulator
from atelier.providers.vendors.flux import PROVIDER, tasks


def stage(host: Flux, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tasks, "POLL_INTERVAL", 0.01)


def minimal_body(model: Model) -> Body:
    return {"prompt": "a fox"}


def link_elsewhere(host: Flux) -> None:
    host.polls_name = "localhost"


def collectable_model(host: Flux) -> Model:
    """Every answer is a task."""
    return next(row for row in PROVIDER.models if row.id == PROVIDER.default)


def polls(host: Flux) -> Emulator:
    return host.polls


BENCH = Bench(
    provider=PROVIDER,
    host=Flux,
    key=flux.KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=flux.NOT_AUTHENTICATED,
        no_credit=flux.NO_CREDITS,
        no_such_model=flux.NOT_FOUND,
        too_many=lambda delay: flux.trouble(429, "Rate limit exceeded", retry_after=f"{delay}"),
        broken_server=flux.BROKEN_SERVER,
        broken_json=flux.BROKEN_JSON,
        empty=Answer(200, {}),
        moderated=(flux.REQUEST_MODERATED, flux.CONTENT_MODERATED),
        refused=lambda words: flux.trouble(400, words),
    ),
    downloads=("/results/", "/blobs/"),
    link_elsewhere=link_elsewhere,
    delivers=polls,
    collectable_model=collectable_model,
    dropped=lambda host: host.dropped,
)
