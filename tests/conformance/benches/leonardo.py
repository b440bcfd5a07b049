"""The bench of Leonardo.Ai."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import leonardo_rules as leonardo
from atelier.providers.testing.emulators.leonardo import Leonardo
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.leonardo import PROVIDER, jobs
from atelier.providers.vendors.leonardo.models import FAMILIES, LUCID, UNZOOM, UPSCALER


def stage(host: Leonardo, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(jobs, "POLL_INTERVAL", 0.01)


def minimal_body(model: Model) -> Body:
    """How many and how large is always sent."""
    api, _, name = model.wire.partition("/")
    size = {"width": 1024, "height": 1024}
    if api == "v2":
        asked = {"prompt": "a fox", "quantity": 1, **size, "prompt_enhance": "OFF"}
        return {"model": name, "public": False, "parameters": asked}
    contrast = {"contrast": 3.5} if FAMILIES[name] == LUCID else {}
    asked = {"modelId": name, "prompt": "a fox", "num_images": 1, **size, "public": False, "alchemy": False}
    return {**asked, **contrast}


def needs_prompt(model: Model, operation: Operation) -> bool:
    return model.max_prompt > 0 and model.wire != UPSCALER


def vendor_image(model: Model) -> str:
    return "image-of-the-house" if model.wire == UNZOOM else ""


def collectable_model(host: Leonardo) -> Model:
    """Every answer is a job."""
    return PROVIDER.models[0]


BENCH = Bench(
    provider=PROVIDER,
    host=Leonardo,
    key=leonardo.KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=leonardo.trouble(403, "Your plan does not have this."),
        no_credit=leonardo.trouble(402, "Not enough API tokens."),
        no_such_model=leonardo.trouble(404, "Not found."),
        too_many=lambda delay: leonardo.trouble(429, "Too many requests.", retry_after=f"{delay}"),
        broken_server=leonardo.trouble(500, "Internal error."),
        broken_json=Answer(200, b'{"sdGenerationJob": {"gener'),
        empty=Answer(200, {"sdGenerationJob": None}),
        moderated=(leonardo.MODERATED,),
        refused=lambda words: leonardo.trouble(400, words, "validation-failed"),
    ),
    needs_prompt=needs_prompt,
    sent_anyway={"size": "1024x1024", "options": {"reference": "content"}},
    vendor_image=vendor_image,
    downloads=("/cdn/", "/storage/"),
    collectable_model=collectable_model,
)
