"""The bench of OpenAI."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import openai_rules as openai
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.openai import PROVIDER
from atelier.providers.vendors.openai.models import DALL_E


def stage(host: OpenAI, patch: pytest.MonkeyPatch) -> None:
    """An older host, which serves what OpenAI itself has switched off."""
    patch.setattr(openai, "FIXED", (*openai.FIXED, "gpt-image-1"))
    host.older = True


def minimal_body(model: Model) -> Body:
    dialect = {"response_format": "b64_json"} if model.wire == DALL_E else {}
    return {"model": model.id, "prompt": "a fox", **dialect}


def collectable_model(host: OpenAI) -> Model:
    """A compatible host answers with links."""
    host.links = True
    return next(row for row in PROVIDER.models if row.id == PROVIDER.default)


def deliver_one(host: OpenAI) -> None:
    host.delivered = 1


BENCH = Bench(
    provider=PROVIDER,
    host=OpenAI,
    key=openai.KEY,
    stage=stage,
    minimal_body=minimal_body,
    downloads=("/v1/links/",),
    collectable_model=collectable_model,
    faults=Faults(
        forbidden=openai.trouble(403, "unsupported_country_region_territory", "Country not supported."),
        no_credit=openai.NO_QUOTA,
        no_such_model=openai.trouble(404, "model_not_found", "The model does not exist."),
        too_many=lambda delay: openai.trouble(429, "rate_limit_exceeded", "Slow down.", retry_after=f"{delay}"),
        broken_server=openai.BROKEN_SERVER,
        broken_json=openai.BROKEN_JSON,
        empty=Answer(200, {"created": 1, "data": []}),
        moderated=(openai.MODERATED, openai.STREAM_ERROR),
        refused=lambda words: openai.trouble(400, "invalid_value", words),
    ),
    deliver_one=deliver_one,
)
