"""The bench of fal."""

from __future__ import annotations

import pytest

from atelier.providers.core.types import Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.emulators import fal
from atelier.providers.testing.server import Answer, Emulator
from atelier.providers.vendors.fal import PROVIDER, requests


def stage(host: fal.Fal, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "POLL_INTERVAL", 0.01)


def minimal_body(model: Model) -> Body:
    speed = {"rendering_speed": "BALANCED"} if model.id == "fal-ai/ideogram/v3" else {}  # the price is of this speed
    return {"prompt": "a fox", **speed}


def link_elsewhere(host: fal.Fal) -> None:
    host.polls_name = "localhost"


def collectable_model(host: fal.Fal) -> Model:
    """Every answer is a request in the queue."""
    return next(row for row in PROVIDER.models if row.id == PROVIDER.default)


def polls(host: fal.Fal) -> Emulator:
    return host.polls


BENCH = Bench(
    provider=PROVIDER,
    host=fal.Fal,
    key=fal.KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=fal.FORBIDDEN,
        no_credit=fal.LOCKED,
        no_such_model=fal.NOT_FOUND,
        too_many=lambda delay: fal.trouble(429, "Too many requests.", retry_after=f"{delay}"),
        broken_server=fal.trouble(500, "Internal Server Error"),
        broken_json=Answer(200, b'{"request_id": "c0ff", "status_url": "http'),
        empty=Answer(200, {}),
        moderated=(fal.MODERATED,),
        refused=lambda words: fal.trouble(400, words),
    ),
    downloads=("/files/",),
    link_elsewhere=link_elsewhere,
    delivers=polls,
    collectable_model=collectable_model,
    dropped=lambda host: host.dropped,
    prices=(
        ("fal-ai/flux/dev", "1024x1024", "0.025"),
        ("fal-ai/flux/schnell", "1024x1024", "0.003"),
        ("fal-ai/flux-2-pro", "1024x1024", "0.03"),
        ("fal-ai/flux/dev", "2048x1024", "0.05"),
        ("fal-ai/flux/schnell", "2048x1024", "0.006"),
        ("fal-ai/flux-2-pro", "2048x1024", "0.045"),
        ("fal-ai/flux-pro/v1.1", "", "0.04"),
        ("fal-ai/flux-pro/v1.1-ultra", "", "0.06"),
        ("fal-ai/nano-banana", "", "0.039"),
        ("fal-ai/nano-banana-2", "512", "0.06"),
        ("fal-ai/nano-banana-2", "1k", "0.08"),
        ("fal-ai/nano-banana-2", "2k", "0.12"),
        ("fal-ai/nano-banana-2", "4k", "0.16"),
        ("fal-ai/nano-banana-pro", "1k", "0.15"),
        ("fal-ai/nano-banana-pro", "2k", "0.15"),
        ("fal-ai/nano-banana-pro", "4k", "0.30"),
        ("fal-ai/ideogram/v3", "", "0.06"),
        ("fal-ai/recraft/v3/text-to-image", "", "0.0398"),
        ("fal-ai/bytedance/seedream/v3/text-to-image", "", "0.03"),
    ),
)
