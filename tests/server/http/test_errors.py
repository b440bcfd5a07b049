"""The unexpected over HTTP: 500 in the shape of each face, without a word of what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from atelier.providers.core.errors import ImageError
from atelier.providers.transport.network.http_client import httpx
from atelier.server.http import errors
from atelier.server.http.openai import errors as openai
from atelier.server.http.routing import router_of
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.conftest import Environ

pytestmark = pytest.mark.anyio

SHAPES: dict[Callable[[ImageError], Response], tuple[set[str], str, str]] = {
    errors.failed: ({"success", "code", "error"}, "reason", "internal"),
    openai.failed: ({"error"}, "code", "internal"),
}


@pytest.mark.parametrize(("refuse", "shape"), SHAPES.items(), ids=["REST", "OpenAI"])
async def test_the_unexpected_is_500_and_only_the_log_has_it(
    environ: Environ, refuse: Callable[[ImageError], Response], shape: tuple[set[str], str, Any]
) -> None:
    server = build_server(Settings.from_environ(environ), caller_of_request=lambda: "alice")
    routes = router_of(server, refuse)

    @routes.get("/crash")
    async def crash() -> Response:  # pyright: ignore[reportUnusedFunction]
        raise ValueError("secret garden")

    app = FastAPI()
    app.include_router(routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as web:
        answer = await web.get("/crash")
    keys, name, value = shape
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/json")
    assert (answer.json().keys(), answer.json()["error"][name]) == (keys, value)
    assert "call_" in answer.text
    assert "secret garden" not in answer.text
    assert "Traceback" not in answer.text
