"""The bench of Recraft."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import recraft
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.recraft import PROVIDER


def stage(host: recraft.Recraft, patch: pytest.MonkeyPatch) -> None:
    """It serves its rows as they are."""


def minimal_body(model: Model) -> Body:
    return {"model": model.id, "prompt": "a fox", "response_format": "b64_json"}


def link_elsewhere(host: recraft.Recraft) -> None:
    host.always_links, host.redirect = True, f"http://localhost:{host.port}/pictures/{{name}}"


def collectable_model(host: recraft.Recraft) -> Model:
    """A host that answers with links."""
    host.always_links = True
    return PROVIDER.models[0]


PRICES = (
    *(("recraftv4_1", "0.035"), ("recraftv4_1_pro", "0.21"), ("recraftv4", "0.04"), ("recraftv4_pro", "0.25")),
    *(("recraftv3", "0.04"), ("recraftv2", "0.022"), ("recraft-remove-background", "0.01")),
    *(("recraft-crisp-upscale", "0.004"), ("recraft-creative-upscale", "0.25"), ("recraft-erase-region", "0.002")),
)

BENCH = Bench(
    provider=PROVIDER,
    host=recraft.Recraft,
    key=recraft.KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=recraft.trouble(403, "forbidden", "Forbidden."),
        no_credit=recraft.NO_CREDITS,
        no_such_model=recraft.trouble(404, "not_found", "Not found."),
        too_many=lambda delay: recraft.trouble(429, "rate_limited", "Too many requests.", retry_after=f"{delay}"),
        broken_server=recraft.trouble(500, "internal", "Internal error."),
        broken_json=Answer(200, b'{"data": [{"b64_json": "iVBO'),
        empty=Answer(200, {"data": []}),
        moderated=(recraft.MODERATED,),
        refused=lambda words: recraft.trouble(400, "invalid_request", words),
    ),
    downloads=("/links/", "/pictures/"),
    link_elsewhere=link_elsewhere,
    collectable_model=collectable_model,
    prices=tuple((id, "", usd) for id, usd in PRICES),
)
