"""The bench of Ideogram."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import ideogram
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.ideogram import PROVIDER


def stage(host: ideogram.Ideogram, patch: pytest.MonkeyPatch) -> None:
    """It serves its rows as they are."""


def minimal_body(model: Model) -> Body:
    return {"text_prompt" if model.id == "ideogram-v4" else "prompt": "a fox"}


def needs_prompt(model: Model, operation: Operation) -> bool:
    """A remix is described as well."""
    return True


def collectable_model(host: ideogram.Ideogram) -> Model:
    """Every answer has links."""
    return PROVIDER.models[0]


UNSAFE = Answer(200, {"data": [{"prompt": "a fox", "is_image_safe": False, "url": ""}]})

BENCH = Bench(
    provider=PROVIDER,
    host=ideogram.Ideogram,
    key=ideogram.KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=ideogram.trouble(403, "Forbidden"),
        no_credit=ideogram.trouble(402, "Insufficient credit"),
        no_such_model=ideogram.trouble(404, "Not found"),
        too_many=lambda delay: ideogram.trouble(429, "Too many requests", retry_after=f"{delay}"),
        broken_server=ideogram.trouble(500, "Internal error"),
        broken_json=Answer(200, b'{"data": [{"url": "htt'),
        empty=Answer(200, {}),
        moderated=(UNSAFE, ideogram.trouble(422, "The prompt failed the safety check")),
        refused=lambda words: ideogram.trouble(400, words),
    ),
    needs_prompt=needs_prompt,
    downloads=("/images/",),
    collectable_model=collectable_model,
    prices=(
        *(("ideogram-v3", "turbo", "0.03"), ("ideogram-v3", "default", "0.06"), ("ideogram-v3", "quality", "0.09")),
        *(("ideogram-v4", "turbo", "0.03"), ("ideogram-v4", "default", "0.06"), ("ideogram-v4", "quality", "0.1")),
    ),
)
