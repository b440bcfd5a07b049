"""The bench of Stable Diffusion web UIs."""

from __future__ import annotations

import json

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import sd_webui
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.sd_webui import PROVIDER


def stage(host: sd_webui.SdWebui, patch: pytest.MonkeyPatch) -> None:
    host.reset()


def minimal_body(model: Model) -> Body:
    return {"prompt": "a fox", "steps": 20}


def as_prepared(body: bytes) -> bytes:
    """The body without the id of the task."""
    sent = json.loads(body)
    sent.pop("force_task_id", None)
    return json.dumps(sent, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


BENCH = Bench(
    provider=PROVIDER,
    host=sd_webui.SdWebui,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=sd_webui.trouble(403, "Forbidden"),
        no_credit=sd_webui.trouble(402, "A gateway's."),
        no_such_model=sd_webui.trouble(404, "Not Found"),
        too_many=lambda delay: sd_webui.trouble(429, "A gateway's.", retry_after=f"{delay}"),
        broken_server=sd_webui.trouble(500, "", "RuntimeError"),
        broken_json=Answer(200, b'{"images": ["iVBORw0K'),
        empty=Answer(200, {}),
        moderated=(),
        refused=lambda words: sd_webui.trouble(400, words),
    ),
    as_prepared=as_prepared,
    dropped=lambda host: host.dropped,
    prices=(("sd-webui", "", "0"), ("sd-webui-upscale", "", "0")),
)
