"""The bench of Google."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import gemini_rules as gemini
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.vendors.gemini import PROVIDER
from atelier.providers.vendors.gemini.models import PREDICT


def stage(host: Gemini, patch: pytest.MonkeyPatch) -> None:
    """A custom host, where the previews still answer."""
    for row in PROVIDER.models:
        if row.wire != PREDICT and row.id not in gemini.MODELS:
            patch.setitem(gemini.MODELS, row.id, (gemini.TEN, tuple(gemini.SCALES), 14))


def minimal_body(model: Model) -> Body:
    if model.wire == PREDICT:
        return {"instances": [{"prompt": "a fox"}], "parameters": {"sampleCount": 1, "includeRaiReason": True}}
    parts = [{"text": "a fox"}]
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": {"responseModalities": ["IMAGE"]}}


def collectable_model(host: Gemini) -> Model:
    """A gateway answers with a file."""
    host.links = True
    return next(row for row in PROVIDER.models if row.id == PROVIDER.default)


BENCH = Bench(
    provider=PROVIDER,
    host=Gemini,
    key=gemini.KEY,
    stage=stage,
    minimal_body=minimal_body,
    downloads=("/files/",),
    collectable_model=collectable_model,
    faults=Faults(
        forbidden=gemini.trouble(403, "PERMISSION_DENIED", "The caller does not have permission."),
        no_credit=gemini.NO_FREE_TIER,
        no_such_model=gemini.trouble(404, "NOT_FOUND", "models/x is not found for API version v1beta."),
        too_many=lambda delay: gemini.rate_limited(f"{delay}s"),
        broken_server=gemini.BROKEN_SERVER,
        broken_json=gemini.BROKEN_JSON,
        empty=gemini.finished("STOP"),
        moderated=(
            gemini.blocked("PROHIBITED_CONTENT"),
            gemini.finished("IMAGE_SAFETY"),
            gemini.finished("STOP", None, {"text": "I will not draw that."}),
            gemini.withheld("58061214: the picture may violate our policies."),
            gemini.REFUSED_PROMPT,
        ),
        refused=gemini.invalid,
    ),
)
