"""The bench of xAI."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import xai_rules as xai
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.vendors.xai import PROVIDER


def stage(host: XAI, patch: pytest.MonkeyPatch) -> None:
    """A custom host, where the first model still answers."""
    patch.setattr(xai, "FIRST", (*xai.FIRST, "grok-2-image-1212"))


def minimal_body(model: Model) -> Body:
    return {"model": model.id, "prompt": "a fox", "response_format": "b64_json"}


def link_elsewhere(host: XAI) -> None:
    host.always_links, host.redirect = True, f"http://localhost:{host.port}/pictures/{{name}}"


def collectable_model(host: XAI) -> Model:
    """An older host answers with links."""
    host.always_links = True
    return next(row for row in PROVIDER.models if row.id == PROVIDER.default)


def deliver_one(host: XAI) -> None:
    host.withheld = 1


BENCH = Bench(
    provider=PROVIDER,
    host=XAI,
    key=xai.KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=xai.BLOCKED_KEY,
        no_credit=xai.NO_CREDITS,
        no_such_model=xai.trouble(404, "not-found", "The model does not exist."),
        too_many=lambda delay: xai.trouble(429, xai.EXHAUSTED, "Too many requests.", retry_after=f"{delay}"),
        broken_server=xai.BROKEN_SERVER,
        broken_json=xai.BROKEN_JSON,
        empty=xai.withheld({"respect_moderation": True}),
        moderated=(xai.withheld(), xai.withheld({"respect_moderation": False, "url": ""}), xai.MODERATED),
        refused=lambda words: xai.trouble(400, xai.INVALID, words),
    ),
    downloads=("/links/", "/pictures/"),
    link_elsewhere=link_elsewhere,
    collectable_model=collectable_model,
    dropped=lambda host: host.dropped,
    deliver_one=deliver_one,
)
