"""The bench of Midjourney's resale."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import midjourney
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.midjourney import PROVIDER, tasks
from atelier.providers.vendors.midjourney.models import UPSCALE, VARY


def stage(host: midjourney.Midjourney, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tasks, "POLL_INTERVAL", 0.01)


def minimal_body(model: Model) -> Body:
    return {"taskType": "mj_txt2img", "prompt": "a fox", "version": model.wire}


def needs_prompt(model: Model, operation: Operation) -> bool:
    return model.max_prompt > 0


def vendor_image(model: Model) -> str:
    return "mj_of_the_house:0" if model.wire in (UPSCALE, VARY) else ""


def collectable_model(host: midjourney.Midjourney) -> Model:
    """Every answer is a task."""
    return PROVIDER.models[0]


VERSIONS = "midjourney-7 midjourney-niji7 midjourney-6.1 midjourney-niji6"

BENCH = Bench(
    provider=PROVIDER,
    host=midjourney.Midjourney,
    key=midjourney.KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=midjourney.trouble(403, "Not allowed."),
        no_credit=midjourney.trouble(402, "Credits insufficient.", 200),
        no_such_model=midjourney.trouble(404, "Not found."),
        too_many=lambda delay: midjourney.trouble(429, "Too many requests.", retry_after=f"{delay}"),
        broken_server=midjourney.trouble(455, "Under maintenance.", 503),
        broken_json=Answer(200, b'{"code": 200, "data": {"taskI'),
        empty=Answer(200, {"code": 200, "msg": "success", "data": {}}),
        moderated=(midjourney.MODERATED,),
        refused=lambda words: midjourney.trouble(422, words),
    ),
    needs_prompt=needs_prompt,
    vendor_image=vendor_image,
    downloads=("/v/",),
    collectable_model=collectable_model,
    prices=((VERSIONS, "relaxed", "0.015"), (VERSIONS, "fast", "0.04"), (VERSIONS, "turbo", "0.08")),
)
