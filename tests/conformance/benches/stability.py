"""The bench of Stability."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.core.types import Model, Operation
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import stability_rules as stability
from atelier.providers.testing.emulators.stability import (
    BROKEN_JSON,
    BROKEN_SERVER,
    FILTERED,
    KEY,
    MODERATED,
    NO_CREDITS,
    PUBLIC_FIGURE,
    Stability,
)
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.stability import PROVIDER, adapter
from atelier.providers.vendors.stability.models import OUTPAINT, SD3


def stage(host: Stability, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adapter, "POLL_INTERVAL", 0.01)
    host.poll_interval = 0.0


def minimal_body(model: Model) -> Body:
    return {"prompt": "a fox", **({"model": model.id} if model.wire == SD3 else {})}


def needs_prompt(model: Model, operation: Operation) -> bool:
    """A variation or an upscaling is described as well."""
    return model.max_prompt > 0 and model.wire != OUTPAINT


def collectable_model(host: Stability) -> Model:
    """Two endpoints answer with a task."""
    return next(row for row in PROVIDER.models if row.id == "stable-image-upscale-creative")


BENCH = Bench(
    provider=PROVIDER,
    host=Stability,
    key=KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=stability.trouble(403, "permission_denied", "You lack the permission."),
        no_credit=NO_CREDITS,
        no_such_model=stability.trouble(404, "not_found", "There is no such endpoint."),
        too_many=lambda delay: stability.trouble(429, "rate_limit_exceeded", "Wait.", retry_after=f"{delay}"),
        broken_server=BROKEN_SERVER,
        broken_json=BROKEN_JSON,
        empty=Answer(200, {"finish_reason": "SUCCESS"}),
        moderated=(MODERATED, PUBLIC_FIGURE, FILTERED),
        refused=lambda words: stability.trouble(400, "bad_request", words),
    ),
    needs_prompt=needs_prompt,
    refuses={"stable-diffusion-v1-6": Reason.MODEL_RETIRED},  # of an older API, which the vendor file does not speak
    dropped=lambda host: host.ignored,
    collectable_model=collectable_model,
)
