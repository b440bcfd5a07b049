"""The bench of the sketch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atelier.providers.core.types import Endpoint, Model
from atelier.providers.testing.conformance.bench import Bench, Body
from atelier.providers.testing.server import Emulator
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.sketch import PROVIDER, adapter


async def drawn(request: Request) -> Response:
    """The drawing code behind a socket, so that its requests can be counted."""
    answer = adapter.draw(httpx.Request("POST", str(request.url), content=await request.body()))
    return Response(answer.content, answer.status_code, {"content-type": "application/json"})


def host() -> Emulator:
    return Emulator(Starlette(routes=[Route("/draw", drawn, methods=["POST"])]))


def stage(host: Emulator, patch: pytest.MonkeyPatch) -> None:
    """It serves its one row as it is."""


def minimal_body(model: Model) -> Body:
    return {"prompt": "a fox"}


SOCKET = Endpoint(base_url=adapter.ENDPOINT.base_url, base_url_variable="SKETCH_BASE_URL")
BENCH = Bench(
    provider=replace(PROVIDER, endpoint=SOCKET),
    host=host,
    stage=stage,
    minimal_body=minimal_body,
)
