"""What operators and orchestrators ask: /healthz, /readyz and /metrics."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.openai_rules import NO_QUOTA
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import until
from atelier.providers.transport.network.http_client import httpx
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import FOX, SKETCH, meanwhile, serving


@exhaustive
def test_ready_turns_red_at_the_signal_and_the_running_call_is_answered(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    with serving(with_openai) as server:
        assert server.get("/readyz", None).json() == {"ready": True}
        with meanwhile(lambda: server.draw(FOX)) as answers:
            held.wait()
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.get("/readyz", None).status_code == 503)
            assert server.get("/healthz", None).status_code == 200
            assert "atelier_jobs" in server.get("/metrics", None).text
            assert server.draw(SKETCH).status_code == 503
            held.go.set()
        assert answers[0].status_code == 200
        assert server.process.wait(10) in (0, 128 + signal.SIGTERM)


@exhaustive
def test_ready_is_red_while_the_database_cannot_be_used(environ: Environ) -> None:
    state = Path(environ["ATELIER_STATE_DIR"])
    with serving(environ) as server:
        (state / "journal.db").write_bytes(b"this is no database" * 1000)
        refused = server.get("/readyz", None)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert str(state) not in refused.text
        assert server.get("/healthz", None).status_code == 200
        began = time.monotonic()
        assert "atelier_http_requests_total" in server.get("/metrics", None).text
        assert time.monotonic() - began < 5


@exhaustive
def test_metrics_count_requests_vendors_failures_money_and_jobs(with_openai: Environ, openai: OpenAI) -> None:
    openai.next(None, NO_QUOTA)
    with serving(with_openai) as server:
        assert [server.draw({**FOX, "prompt": word}).status_code for word in ("a fox", "a wolf")] == [200, 502]
        assert server.get("/nowhere").status_code == 404
        assert server.get("/usage/of/none", None).status_code == 401
        with server.web() as web:
            assert [web.request(word, "/nowhere").status_code for word in ("FOX", "WOLF")] == [404, 404]
            assert web.post("/mcp", json={}).status_code == 400
            assert web.head("/usage").status_code == 200
        answer = server.get("/metrics", None)
        assert answer.headers["content-type"].startswith("text/plain")
        lines = answer.text.splitlines()
    for line in (
        'atelier_http_requests_total{method="POST",route="/image/generate",status="200"} 1.0',
        'atelier_http_requests_total{method="POST",route="/image/generate",status="502"} 1.0',
        'atelier_http_requests_total{method="GET",route="other",status="404"} 1.0',
        'atelier_http_requests_total{method="GET",route="other",status="401"} 1.0',
        'atelier_http_requests_total{method="other",route="other",status="404"} 2.0',
        'atelier_http_requests_total{method="POST",route="/mcp",status="400"} 1.0',
        'atelier_http_requests_total{method="HEAD",route="/usage",status="200"} 1.0',
        'atelier_http_request_seconds_count{route="/image/generate"} 2.0',
        'atelier_vendor_exchanges_total{outcome="ok",vendor="openai"} 1.0',
        'atelier_vendor_exchanges_total{outcome="quota_exceeded",vendor="openai"} 1.0',
        'atelier_queue_waiting{vendor="openai"} 0.0',
        'atelier_jobs{state="done"} 1.0',
        'atelier_jobs{state="failed"} 1.0',
        "atelier_uploads_waiting 0.0",
    ):
        assert line in lines, answer.text
    (spent,) = [line for line in lines if line.startswith('atelier_spent_usd{vendor="openai"}')]
    assert float(spent.split()[1]) > 0
    assert "alice" not in answer.text


@exhaustive
def test_metrics_need_a_token_where_other_machines_can_ask(environ: Environ) -> None:
    with serving(environ, "--host", "0.0.0.0") as server:
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{server.url}/metrics", trust_env=False).status_code == 401
        assert server.get("/metrics").status_code == 200
        assert server.get("/readyz", None).status_code == 200
