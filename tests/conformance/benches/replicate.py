"""The bench of Replicate."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import replicate_rules as replicate
from atelier.providers.testing.emulators.replicate import Replicate
from atelier.providers.testing.server import Answer, Emulator
from atelier.providers.vendors.replicate import PROVIDER, predictions


def stage(host: Replicate, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(predictions, "POLL_INTERVAL", 0.01)


def minimal_body(model: Model) -> Body:
    return {"input": {"prompt": "a fox"}}


def needs_prompt(model: Model, operation: Operation) -> bool:
    """Whether a prompt is needed: a picture that guides is no substitute."""
    return True


def link_elsewhere(host: Replicate) -> None:
    host.polls_name = "localhost"


def collectable_model(host: Replicate) -> Model:
    """Every answer is a prediction."""
    return next(row for row in PROVIDER.models if row.id == PROVIDER.default)


def polls(host: Replicate) -> Emulator:
    return host.polls


BENCH = Bench(
    provider=PROVIDER,
    host=Replicate,
    key=replicate.KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=replicate.FORBIDDEN,
        no_credit=replicate.NO_CREDIT,
        no_such_model=replicate.NOT_FOUND,
        too_many=replicate.throttled,
        broken_server=replicate.trouble(500, "Internal server error", "Oh."),
        broken_json=Answer(200, b'{"id": "c0ff", "urls": {"get": "http'),
        empty=Answer(200, {}),
        moderated=(replicate.FAILED_E005,),
        refused=lambda words: replicate.trouble(400, "Bad request", words),
    ),
    needs_prompt=needs_prompt,
    downloads=("/delivery/",),
    link_elsewhere=link_elsewhere,
    delivers=polls,
    collectable_model=collectable_model,
    dropped=lambda host: host.dropped,
    prices=(
        ("black-forest-labs/flux-dev", "", "0.025"),
        ("black-forest-labs/flux-schnell", "", "0.003"),
        ("black-forest-labs/flux-1.1-pro", "", "0.04"),
        ("ideogram-ai/ideogram-v3-quality", "", "0.09"),
    ),
)
