"""The bench of OpenRouter."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import openrouter
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.hosts.dialects import provider_of
from atelier.providers.vendors.hosts.settings import HOSTS, Host


def stage(host: openrouter.OpenRouter, patch: pytest.MonkeyPatch) -> None:
    """It serves its rows as they are."""


def minimal_body(model: Model) -> Body:
    return {"model": model.id, "prompt": "a fox"}


def collectable_model(host: openrouter.OpenRouter) -> Model:
    host.links = True
    return BENCH.default


BENCH = Bench(
    provider=provider_of(Host(name="openrouter", dialect="openrouter", key="OPENROUTER_API_KEY")),
    host=openrouter.OpenRouter,
    key=openrouter.KEY,
    stage=stage,
    minimal_body=minimal_body,
    settings={HOSTS: '["openrouter"]'},
    downloads=("/api/v1/links/",),
    collectable_model=collectable_model,
    faults=Faults(
        forbidden=openrouter.trouble(403, "This key may not use the model."),
        no_credit=openrouter.NO_CREDITS,
        no_such_model=openrouter.trouble(404, "No endpoints found."),
        too_many=lambda delay: openrouter.trouble(429, "Rate limited.", retry_after=f"{delay}"),
        broken_server=openrouter.trouble(500, "Internal Server Error"),
        broken_json=Answer(200, b'{"created": 1, "data": [{"b64_json": "iVBO'),
        empty=Answer(200, {"created": 1, "data": []}),
        moderated=(openrouter.MODERATED,),
        refused=lambda words: openrouter.trouble(400, words),
    ),
)
