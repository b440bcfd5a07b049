"""Dots through the conformance suite of the test kit, as a vendor of another distribution runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from atelier_dots import DOT, PROVIDER
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.core.types import Endpoint, Model
from atelier.providers.testing.conformance.bench import Bench, Body, Faults
from atelier.providers.testing.conformance.suite import ProviderConformance
from atelier.providers.testing.server import Answer, Emulator

KEY = "dots-key-0123456789"


async def paint(request: Request) -> Response:
    """POST /dots"""
    if request.headers.get("authorization") != f"Bearer {KEY}":
        return JSONResponse({"error": "Who are you?"}, 401)
    if set(await request.json()) != {"prompt"}:
        return JSONResponse({"error": "Unknown field."}, 400)
    return JSONResponse({"image": DOT})


def host() -> Emulator:
    return Emulator(Starlette(routes=[Route("/dots", paint, methods=["POST"])]))


def stage(host: Any, patch: pytest.MonkeyPatch) -> None:
    """It needs no preparation."""


def minimal_body(model: Model) -> Body:
    return {"prompt": "a fox"}


def refusal(status: int, words: str, **headers: str) -> Answer:
    return Answer(status, {"error": words}, {name.replace("_", "-"): value for name, value in headers.items()})


ENDPOINT = Endpoint(base_url="https://dots.invalid", base_url_variable="DOTS_BASE_URL", key_variables=("DOTS_API_KEY",))
BENCH = Bench(
    provider=replace(PROVIDER, endpoint=ENDPOINT),
    host=host,
    key=KEY,
    stage=stage,
    minimal_body=minimal_body,
    faults=Faults(
        forbidden=refusal(403, "Not for you."),
        no_credit=refusal(402, "Pay first."),
        no_such_model=refusal(404, "No such model."),
        too_many=lambda delay: refusal(429, "Slow down.", retry_after=f"{delay}"),
        broken_server=refusal(500, "Oh."),
        broken_json=Answer(200, b'{"image": "iVBORw0K'),
        empty=Answer(200, {}),
        moderated=(refusal(422, "Too scary."),),
        refused=lambda words: refusal(400, words),
    ),
)


class TestDots(ProviderConformance):
    benches = (BENCH,)
