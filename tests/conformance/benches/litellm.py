"""The bench of a LiteLLM proxy, which stands for every host with the dialect `openai`."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import litellm
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.hosts.dialects import provider_of
from atelier.providers.vendors.hosts.settings import HOSTS, Host, HostModel

HOST = Host(
    name="litellm",
    key="LITELLM_API_KEY",
    models=(HostModel(id="draw", like="gpt-image-2"), HostModel(id="draw-new", like="gpt-image-2.5-flare")),
)
PROVIDER = provider_of(HOST)


def stage(host: litellm.LiteLLM, patch: pytest.MonkeyPatch) -> None:
    host.reset()


def minimal_body(model: Model) -> Body:
    return {"model": model.id, "prompt": "a fox"}


def collectable_model(host: litellm.LiteLLM) -> Model:
    """The vendor behind the proxy answers with links."""
    host.links = True
    return PROVIDER.models[0]


def deliver_one(host: litellm.LiteLLM) -> None:
    host.delivered = 1


BENCH = Bench(
    provider=PROVIDER,
    host=litellm.LiteLLM,
    key=litellm.KEY,
    stage=stage,
    minimal_body=minimal_body,
    settings={HOSTS: f"[{HOST.model_dump_json(exclude_defaults=True)}]"},
    downloads=("/v1/links/",),
    collectable_model=collectable_model,
    deliver_one=deliver_one,
    faults=Faults(
        forbidden=litellm.trouble(403, "This key may not call the model.", "key_model_access_denied"),
        no_credit=litellm.NO_BUDGET,
        no_such_model=litellm.trouble(404, "litellm.NotFoundError: The model does not exist."),
        too_many=lambda delay: litellm.trouble(429, "Rate limit exceeded.", "throttling_error", retry_after=f"{delay}"),
        broken_server=litellm.trouble(500, "litellm.InternalServerError: Connection error."),
        broken_json=Answer(200, b'{"created": 1, "data": [{"b64_json": "iVBORw0K'),
        empty=Answer(200, {"created": 1, "data": []}),
        moderated=(litellm.MODERATED,),
        refused=lambda words: litellm.trouble(400, words),
    ),
)
