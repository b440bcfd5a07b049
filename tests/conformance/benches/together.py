"""The bench of Together."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import together
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.hosts.dialects import provider_of
from atelier.providers.vendors.hosts.settings import HOSTS, Host

PROVIDER = provider_of(Host(name="together", dialect="together", key="TOGETHER_API_KEY"))


def stage(host: together.Together, patch: pytest.MonkeyPatch) -> None:
    """It serves its rows as they are."""


def minimal_body(model: Model) -> Body:
    return {"model": model.id, "prompt": "a fox", "response_format": "base64"}


def link_elsewhere(host: together.Together) -> None:
    host.always_links, host.link_host = True, "localhost"


def collectable_model(host: together.Together) -> Model:
    """A host that answers with links."""
    host.always_links = True
    return PROVIDER.models[0]


BENCH = Bench(
    provider=PROVIDER,
    host=together.Together,
    key=together.KEY,
    stage=stage,
    minimal_body=minimal_body,
    settings={HOSTS: '["together"]'},
    has_prices=False,
    downloads=("/imgproxy/",),
    link_elsewhere=link_elsewhere,
    collectable_model=collectable_model,
    faults=Faults(
        forbidden=together.trouble(403, "forbidden", "This model needs a higher tier."),
        no_credit=together.trouble(402, "credit_limit", "Credit limit exceeded."),
        no_such_model=together.trouble(404, "model_not_available", "Unable to access model."),
        too_many=lambda delay: together.trouble(429, "rate_limit", "Slow down.", retry_after=f"{delay}"),
        broken_server=together.trouble(500, "server_error", "Internal error."),
        broken_json=Answer(200, b'{"id": "x", "data": [{"b64_json": "iVBO'),
        empty=Answer(200, {"id": "x", "data": []}),
        moderated=(together.MODERATED,),
        refused=lambda words: together.trouble(400, "invalid_parameter", words),
    ),
)
