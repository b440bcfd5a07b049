"""The bench of Azure OpenAI: deployments of the user's, by the v1 path."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import azure
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.hosts.dialects import provider_of
from atelier.providers.vendors.hosts.settings import HOSTS, Host, HostModel

HOST = Host(
    name="azure",
    dialect="azure",
    key="AZURE_OPENAI_API_KEY",
    models=(HostModel(id="painter", like="gpt-image-2.5-flare"), HostModel(id="fast", like="gpt-image-2")),
)


def stage(host: azure.Azure, patch: pytest.MonkeyPatch) -> None:
    host.reset()


def minimal_body(model: Model) -> Body:
    return {"model": model.id, "prompt": "a fox"}


def collectable_model(host: azure.Azure) -> Model:
    host.links = True  # as behind a gateway
    return BENCH.default


BENCH = Bench(
    provider=provider_of(HOST),
    host=azure.Azure,
    key=azure.KEY,
    stage=stage,
    minimal_body=minimal_body,
    settings={HOSTS: f"[{HOST.model_dump_json(exclude_defaults=True)}]"},
    downloads=("/links/",),
    collectable_model=collectable_model,
    faults=Faults(
        forbidden=azure.trouble(403, "Forbidden", "Access denied due to Virtual Network/Firewall rules."),
        no_credit=azure.trouble(429, "insufficient_quota", "You exceeded your current quota."),
        no_such_model=azure.trouble(404, "DeploymentNotFound", "The API deployment does not exist."),
        too_many=lambda delay: azure.trouble(429, "RateLimitReached", "Slow down.", retry_after=f"{delay}"),
        broken_server=azure.trouble(500, "InternalServerError", "The server had an error."),
        broken_json=Answer(200, b'{"created": 1, "data": [{"b64_json": "iVBORw0K'),
        empty=Answer(200, {"created": 1, "data": []}),
        moderated=(azure.MODERATED, azure.FILTERED),
        refused=lambda words: azure.trouble(400, "BadRequest", words),
    ),
)
