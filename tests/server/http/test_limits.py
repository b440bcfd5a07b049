"""Limits over HTTP: what is above them is refused at once, in the shape of each client."""

from __future__ import annotations

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import FOX, SKETCH, meanwhile, reason, serving

pytestmark = pytest.mark.anyio


@exhaustive
async def test_calls_above_the_rate_are_refused_with_the_time_to_wait(environ: Environ) -> None:
    with serving({**environ, "ATELIER_RATE_LIMIT": "2"}) as server:
        assert [server.draw(SKETCH).status_code for _ in range(2)] == [200, 200]
        refused = server.draw(SKETCH)
        assert (refused.status_code, reason(refused)) == (429, "rate_limited")
        assert 0 < int(refused.headers["retry-after"]) <= 30
        with server.web() as web:
            face = web.post("/v1/images/generations", json=SKETCH)
        assert (face.status_code, face.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert "retry-after" in face.headers
        async with server.mcp() as client:
            called = await client.call_tool("list_models", {})
        assert called.is_error
        assert "calls within a minute" in str(called.content)
        assert server.get("/healthz", None).status_code == 200
        assert server.draw(SKETCH, "bob").status_code == 200


@exhaustive
def test_calls_above_the_number_at_once_are_refused_and_others_are_answered(
    with_openai: Environ, openai: OpenAI
) -> None:
    held = Held()
    openai.next(held)
    with serving({**with_openai, "ATELIER_CALLER_CONCURRENCY": "1"}) as server:
        with meanwhile(lambda: server.draw(FOX)) as first:
            held.wait()
            refused = server.draw(SKETCH)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert server.draw(SKETCH, "bob").status_code == 200
            held.go.set()
        assert first[0].status_code == 200
        assert server.draw(SKETCH).status_code == 200


@exhaustive
def test_a_stream_is_a_call_at_once_until_it_ends_and_one_of_its_minute(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    limits = {"ATELIER_CALLER_CONCURRENCY": "1", "ATELIER_RATE_LIMIT": "3"}
    with serving({**with_openai, **limits}) as server, server.web() as web:
        with meanwhile(lambda: web.post("/v1/images/generations", json={**FOX, "stream": True})) as first:
            held.wait()
            assert reason(server.draw(SKETCH)) == "rate_limited"
            held.go.set()
        assert "image_generation.completed" in first[0].text
        assert [server.draw(SKETCH).status_code for _ in range(3)] == [200, 200, 429]


@exhaustive
def test_a_full_queue_refuses_at_once_with_the_time_to_wait_and_probes_stay_quick(
    with_openai: Environ, openai: OpenAI
) -> None:
    held = Held()
    openai.next(held)
    full = {**with_openai, "ATELIER_QUEUE_LIMIT": "0", "ATELIER_CONCURRENCY": "1"}
    with serving(full) as server, meanwhile(lambda: server.draw(FOX)) as first:
        held.wait()
        refused = server.draw({**FOX, "prompt": "an owl"}, "bob")
        assert (refused.status_code, reason(refused)) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) == refused.json()["error"]["retry_after"] > 0
        with server.web("bob") as web:
            for stream in (False, True):
                body = {"model": "openai", "prompt": "an owl", "stream": stream}
                clients = web.post("/v1/images/generations", json=body)
                assert (clients.status_code, clients.json()["error"]["code"]) == (429, "rate_limit_exceeded")
                assert int(clients.headers["retry-after"]) > 0
        for probe in ("/healthz", "/readyz", "/metrics"):
            assert server.get(probe, None).elapsed.total_seconds() < 2
        assert not first
        held.go.set()
    assert first[0].status_code == 200
    assert len(openai.requests) == 1
