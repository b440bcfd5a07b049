"""Spans of the real process, as a collector gets them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer
from atelier.providers.testing.waiting import LONG
from tests.conftest import Environ
from tests.emulators.collector import KEY, CollectedSpan, Collector
from tests.exhaustive import exhaustive, sample
from tests.server.http_process import FOX, SECRET, body_of, data_of, serving
from tests.server.process import conversation, greet, hello, like_a_host, say, started

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
PROMPT = "the secret garden of my aunt"
SERVER, CLIENT = 2, 3


@pytest.fixture
def collector() -> Iterator[Collector]:
    yield from served(Collector())


def call(model: str, **meta: str) -> dict[str, Any]:
    arguments = {"prompt": PROMPT, "model": model, "size": "1024x1024"}
    params = {"name": "generate_image", "arguments": arguments, **({"_meta": meta} if meta else {})}
    return {"method": "tools/call", "id": 2, "params": params}


def lineage(collector: Collector, span: CollectedSpan) -> list[str]:
    """Return the names of a span and its ancestors."""
    by_id = {each.id: each for each in collector.spans}
    names = [span.name]
    while span.parent in by_id:
        span = by_id[span.parent]
        names.append(span.name)
    return names


def everything(collector: Collector) -> str:
    return repr(collector.spans)


def test_a_call_over_stdio_continues_the_trace_of_its_meta(
    with_openai: Environ, openai: OpenAI, collector: Collector
) -> None:
    environ = with_openai | collector.environ | {"ATELIER_LOG_LEVEL": "info"}
    answers, log = conversation(environ, hello("2025-11-25"), call("gpt-image-2.5-flare", traceparent=TRACEPARENT))
    asked = answers[2]["result"]["structuredContent"]
    tool = collector.only("tools/call generate_image")
    assert (tool.trace, tool.parent, tool.kind, tool.service) == (TRACE, PARENT, SERVER, "atelier")
    assert tool.attributes["gen_ai.tool.name"] == "generate_image"
    assert tool.attributes["atelier.outcome"] == "done"
    job = collector.only("job")
    assert (job.trace, job.parent, job.failed) == (TRACE, tool.id, False)
    assert job.attributes["atelier.job.id"] == tool.attributes["atelier.job.id"]
    assert job.attributes["atelier.cost_usd"] == pytest.approx(asked["actual_usd"])
    model = collector.only("generate_content gpt-image-2.5-flare")
    assert (model.parent, model.kind) == (job.id, CLIENT)
    assert (
        model.attributes.items()
        >= {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-image-2.5-flare",
            "gen_ai.output.type": "image",
            "gen_ai.usage.input_tokens": asked["usage"]["input_tokens"],
            "gen_ai.usage.output_tokens": asked["usage"]["output_tokens"],
        }.items()
    )
    exchange = collector.only("POST")
    assert (exchange.parent, exchange.kind) == (model.id, CLIENT)
    assert (
        exchange.attributes.items()
        >= {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "server.address": "127.0.0.1",
            "server.port": openai.port,
        }.items()
    )
    store = collector.only("store image")
    assert (store.parent, store.attributes["atelier.asset.id"]) == (job.id, asked["images"][0]["id"])
    assert "gen_ai.input.messages" not in model.attributes
    for secret in (PROMPT, openai.key, KEY):
        assert secret not in everything(collector)
        assert secret not in log
    lines = {line["event"]: line for line in map(json.loads, log.splitlines())}
    vendor_id = exchange.attributes["atelier.vendor.request_id"]
    for event in ("vendor exchange", "tool called"):
        line = lines[event]
        assert (line["trace_id"], line["job"], line["caller"]) == (TRACE, job.attributes["atelier.job.id"], "1")
        assert line["request_id"] == vendor_id
        assert line["call"] == tool.attributes["atelier.call.id"]


@exhaustive
def test_polls_and_downloads_are_spans_of_their_own(with_flux: Environ, flux: Flux, collector: Collector) -> None:
    conversation(with_flux | collector.environ, hello("2025-11-25"), call("flux-2-pro"))
    model = collector.only("generate_content flux-2-pro")
    assert model.attributes["gen_ai.provider.name"] == "flux"
    assert collector.only("poll").parent == collector.only("download").parent == model.id
    polled, downloaded = (
        [span for span in collector.named("GET") if span.parent == collector.only(name).id]
        for name in ("poll", "download")
    )
    assert polled
    assert downloaded
    assert not any("?" in span.attributes["url.full"] for span in downloaded)  # a signed link is a secret
    assert lineage(collector, downloaded[0]) == [
        "GET", "download", "generate_content flux-2-pro", "job", "tools/call generate_image",
    ]  # fmt: skip
    assert flux.key not in everything(collector)


@exhaustive
def test_a_refusal_is_the_failure_of_each_span_that_it_ends(
    with_openai: Environ, openai: OpenAI, collector: Collector
) -> None:
    refusal = {"error": {"message": f"Rejected: {PROMPT}", "code": "moderation_blocked", "type": "user_error"}}
    openai.next(Answer(400, refusal, {"x-request-id": "req_refused"}))
    environ = with_openai | collector.environ | {"ATELIER_LOG_LEVEL": "info"}
    _, log = conversation(environ, hello("2025-11-25"), call("gpt-image-2.5-flare"))
    for name in ("POST", "generate_content gpt-image-2.5-flare", "job"):
        span = collector.only(name)
        assert (span.failed, span.attributes["error.type"]) == (True, "content_policy"), name
    tool = collector.only("tools/call generate_image")
    assert (tool.failed, tool.attributes["atelier.outcome"]) == (True, "content_policy")
    assert collector.only("POST").attributes["atelier.vendor.request_id"] == "req_refused"
    (called,) = [line for line in map(json.loads, log.splitlines()) if line["event"] == "tool called"]
    assert called["request_id"] == "req_refused"
    assert PROMPT not in everything(collector) + log


@exhaustive
def test_a_prompt_is_in_a_span_only_if_the_operator_wants_it(with_openai: Environ, collector: Collector) -> None:
    environ = with_openai | collector.environ | {"ATELIER_OTEL_PROMPTS": "true", "ATELIER_LOG_LEVEL": "info"}
    _, log = conversation(environ, hello("2025-11-25"), call("gpt-image-2.5-flare"))
    (message,) = json.loads(collector.only("generate_content gpt-image-2.5-flare").attributes["gen_ai.input.messages"])
    assert message == {"role": "user", "parts": [{"type": "text", "content": PROMPT}]}
    assert PROMPT not in log


@exhaustive
def test_a_request_over_http_continues_the_trace_of_its_header(
    with_openai: Environ, openai: OpenAI, collector: Collector
) -> None:
    with serving(with_openai | collector.environ) as server, server.web() as web:
        drawn = web.post("/image/generate", json=body_of(FOX), headers={"traceparent": TRACEPARENT})
        assert drawn.status_code == 200
        assert web.get("/healthz").status_code == 200
        link = web.get(data_of(drawn)["image_url"])
        assert (link.status_code, link.headers["content-type"]) == (200, "image/png")
    request = collector.only("POST /image/generate")
    assert (request.trace, request.parent, request.kind) == (TRACE, PARENT, SERVER)
    assert (
        request.attributes.items()
        >= {
            "http.route": "/image/generate",
            "http.response.status_code": 200,
            "atelier.caller": "alice",
            "atelier.outcome": "done",
        }.items()
    )
    assert lineage(collector, collector.only("store image")) == ["store image", "job", "POST /image/generate"]
    assert {span.trace for span in collector.spans} == {TRACE}  # neither a probe nor a signed link has a span
    lines = [line for line in server.log if "caller" in line]
    assert [(line["event"], line["trace_id"], line["caller"]) for line in lines] == [
        ("vendor exchange", TRACE, "alice"),
        ("tool called", TRACE, "alice"),
    ]
    for secret in (FOX["prompt"], openai.key, SECRET, KEY):
        assert secret not in everything(collector) + "".join(server.lines)


@exhaustive
@pytest.mark.anyio
async def test_a_tool_called_over_http_is_in_the_trace_of_its_request(environ: Environ, collector: Collector) -> None:
    with serving(environ | collector.environ) as server:
        async with server.mcp() as client:
            await client.call_tool("generate_image", {"prompt": PROMPT, "model": "sketch"})
    assert lineage(collector, collector.only("job")) == ["job", "tools/call generate_image", "POST /mcp"]


@exhaustive
def test_a_signal_ends_the_process_after_its_spans_are_exported(environ: Environ, collector: Collector) -> None:
    with started(environ | collector.environ) as process:
        greet(process)
        say(process, call("sketch"))
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        process.wait(LONG)
    assert collector.only("tools/call generate_image")


@exhaustive
def test_a_collector_that_is_away_neither_fails_a_call_nor_holds_up_the_end(environ: Environ) -> None:
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={KEY}"}
    answers, log = conversation(environ | away, hello("2025-11-25"), call("sketch"))
    assert not answers[2]["result"].get("isError")
    assert KEY not in log


OFF: list[dict[str, str]] = [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}]


@exhaustive
@pytest.mark.parametrize("off", sample(OFF, OFF[:1]))
def test_the_sdk_is_loaded_only_where_spans_are_exported(
    environ: Environ, collector: Collector, off: dict[str, str]
) -> None:
    loaded = modules_of(environ | off | (collector.environ if off else {}))
    assert not [name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
    assert not any(request.path for request in collector.requests)


@exhaustive
def test_a_missing_extra_is_named_in_the_log(environ: Environ, collector: Collector) -> None:
    without = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; from atelier.server.main import main; main(['serve'])"
    )
    _, log = conversation(
        environ | collector.environ, hello("2025-11-25"), call("sketch"), command=[sys.executable, "-c", without]
    )
    assert "atelier-mcp[otel]" in json.loads(log.splitlines()[0])["event"]
    assert collector.spans == []


def modules_of(environ: Environ) -> list[str]:
    """Return the modules that a server over stdio has loaded at its end."""
    program = (
        "import sys\nfrom atelier.server.main import main\n"
        "try:\n    main(['serve'])\nfinally:\n    sys.stderr.write(' '.join(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=like_a_host(environ), input="", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.split()
