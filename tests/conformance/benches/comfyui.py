"""The bench of ComfyUI."""

from __future__ import annotations

import json

import pytest

from atelier.providers.core.types import ImageRequest, Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import comfyui
from atelier.providers.testing.server import Answer, Emulator
from atelier.providers.vendors.comfyui import PROVIDER, prompts
from atelier.providers.vendors.comfyui.graphs import graph_of
from atelier.providers.vendors.contract import Job


def stage(host: comfyui.Comfyui, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prompts, "POLL_INTERVAL", 0.01)
    host.reset()


def minimal_body(model: Model) -> Body:
    job = Job(id="", request=ImageRequest(prompt="a fox"), model=model, endpoint=PROVIDER.endpoint)
    return {"prompt": graph_of(job)}


def collectable_model(host: comfyui.Comfyui) -> Model:
    """Every answer is the id of a graph."""
    return next(row for row in PROVIDER.models if row.id == PROVIDER.default)


def polls(host: comfyui.Comfyui) -> Emulator:
    return host.polls


def as_prepared(body: bytes) -> bytes:
    """The body without the id of the graph, and with the seed that the caller left out."""
    sent = json.loads(body)
    sent.pop("prompt_id", None)
    for node in sent["prompt"].values():
        if "seed" in node["inputs"]:
            node["inputs"]["seed"] = 0
    return json.dumps(sent, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


BENCH = Bench(
    provider=PROVIDER,
    host=comfyui.Comfyui,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=comfyui.trouble(403, "forbidden", "Forbidden"),
        no_credit=comfyui.trouble(402, "gateway", "A gateway's."),
        no_such_model=comfyui.trouble(404, "not_found", "Not Found"),
        too_many=lambda delay: comfyui.trouble(429, "gateway", "A gateway's.", retry_after=f"{delay}"),
        broken_server=comfyui.trouble(500, "server", "Internal Server Error"),
        broken_json=Answer(200, b'{"prompt_id": "0f0e'),
        empty=Answer(200, {}),
        moderated=(),
        refused=lambda words: comfyui.trouble(400, "prompt_outputs_failed_validation", words),
    ),
    downloads=("/view",),
    delivers=polls,
    collectable_model=collectable_model,
    as_prepared=as_prepared,
    prices=tuple((row.id, "", "0") for row in PROVIDER.models),
)
