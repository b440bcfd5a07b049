"""The real process over HTTP: both protocol versions, who is let in, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import LONG, until
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive, sample
from tests.server.cli.in_process import atelier
from tests.server.http_process import FOX, SECRET, SKETCH, Server, body_of, data_of, meanwhile, reason, serving, token
from tests.server.mcp.test_server import text
from tests.server.test_shutdown import SIGNALS

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_official_client_draws_in_both_eras(server: Server, mode: Any) -> None:
    async with server.mcp(mode=mode) as client:
        assert client.protocol_version == {"auto": "2026-07-28", "legacy": "2025-11-25"}[mode]
        drawn = await client.call_tool("generate_image", SKETCH)
        shown = await client.call_tool("get_image", {})
        refused = await client.call_tool("edit_image", {"image": "/etc/passwd", "prompt": "a hat"})
    assert drawn.structured_content is not None
    assert shown.structured_content is not None
    (image,) = drawn.structured_content["images"]
    assert (shown.structured_content["images"][0]["id"], [block.type for block in drawn.content]) == (
        image["id"],
        ["text", "image"],
    )
    assert image["url"].startswith(f"{server.url}/i/{image['id']}?e=")
    assert "path" not in image
    assert server.environ["ATELIER_OUTPUT_DIR"] not in f"{drawn} {shown}"
    assert refused.is_error
    assert "Paths are not allowed here" in text(refused)


def test_everyone_may_ask_whether_it_is_up(server: Server) -> None:
    answer = server.get("/healthz", None)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})


PLACES = [("POST", "/mcp"), ("GET", "/mcp"), ("POST", "/image/generate"), ("GET", "/image/last"), ("GET", "/nowhere")]


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_without_a_good_token_nobody_gets_anywhere(server: Server, method: str, path: str) -> None:
    with server.web(None) as web:
        bare = web.request(method, path)
        for word in (token(secret="x" * 40), "nonsense"):
            bad = web.request(method, path, headers={"Authorization": f"Bearer {word}"})
            assert (bad.status_code, bad.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
            assert reason(bad) == "authentication"
            assert word not in bad.text
        basic = web.request(method, path, headers={"Authorization": "Basic eDp5"})
        twice = web.request(method, path, headers=[("Authorization", f"Bearer {token()}")] * 2)
    for answer in (bare, basic, twice):
        assert (answer.status_code, answer.headers["www-authenticate"], reason(answer)) == (
            401,
            "Bearer",
            "authentication",
        )


@pytest.mark.parametrize(
    "host", ["evil.example.com", "evil.example.com:8000", "127.0.0.1.evil.example.com", "user@127.0.0.1"]
)
@pytest.mark.parametrize("path", ["/mcp", "/image/generate", "/healthz"])
def test_on_loopback_no_other_name_leads_here(server: Server, path: str, host: str) -> None:
    with server.web() as web:
        answer = web.post(path, headers={"Host": host})
        assert (answer.status_code, reason(answer)) == (421, "invalid_request")


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "file://", "http://127.0.0.1.evil.example.com"])
@pytest.mark.parametrize("path", ["/mcp", "/image/generate", "/healthz"])
def test_pages_of_another_origin_are_kept_out(server: Server, path: str, origin: str) -> None:
    with server.web() as web:
        answer = web.post(path, headers={"Origin": origin})
        assert (answer.status_code, reason(answer)) == (403, "invalid_request")
        own = web.get("/image/nothing", headers={"Origin": "http://localhost:6274"})
        assert own.status_code == 404


@exhaustive
def test_on_every_other_address_a_page_must_come_from_the_host_itself(environ: Environ) -> None:
    with serving(environ, "--host", "0.0.0.0") as server:
        port = server.url.rpartition(":")[2]
        server.url = f"http://127.0.0.1:{port}"
        with server.web() as web:
            statuses = [
                web.get("/image/nothing", headers={"Host": "pictures.example.com", **more}).status_code
                for more in ({}, {"Origin": "https://pictures.example.com"}, {"Origin": "https://evil.example.com"})
            ]
    assert statuses == [404, 404, 403]


@exhaustive
def test_behind_a_proxy_links_have_the_name_and_the_scheme_that_it_was_called_by(environ: Environ) -> None:
    with serving(environ, "--host", "0.0.0.0") as server:
        server.url = f"http://127.0.0.1:{server.url.rpartition(':')[2]}"
        with server.web() as web:
            headers = {"Host": "pictures.example.com", "X-Forwarded-Proto": "https"}
            told = data_of(web.post("/image/generate", json=body_of(SKETCH), headers=headers))
    assert told["images"][0]["url"].startswith("https://pictures.example.com/i/img_")


def test_what_is_not_there_and_what_cannot_be_done_is_told_in_json(server: Server) -> None:
    with server.web() as web:
        answers = [web.get("/nowhere"), web.get("/image/generate"), web.put("/image/last"), web.post("/healthz")]
        found = [(answer.status_code, reason(answer), answer.headers.get("allow")) for answer in answers]
    assert found[:2] == [(404, "not_found", None), (405, "invalid_request", "POST")]
    assert [(status, set((allow or "").split(", "))) for status, _, allow in found[2:]] == [(405, {"GET", "HEAD"})] * 2


def test_a_call_is_one_line_in_the_log_and_no_token_prompt_or_query_is(server: Server) -> None:
    word = token()
    before = len(server.lines)
    with server.web() as web:
        web.post("/image/generate?secret=xyzzy", json=body_of({**SKETCH, "prompt": "the garden of my aunt"}))
        web.get(f"/image/last?token={word}")
    until(lambda: len([line for line in server.log[before:] if line["event"] == "tool called"]) == 2)
    lines = [line for line in server.log[before:] if line["event"] == "tool called"]
    assert [line["vendor"] for line in server.log[before:] if line["event"] == "vendor exchange"] == ["sketch"]
    assert [(line["tool"], line["outcome"]) for line in lines] == [
        ("POST /image/generate", "done"),
        ("GET /image/{id}", "done"),
    ]
    assert len({line["call"] for line in lines}) == 2
    log = "".join(server.lines)
    assert not [secret for secret in (word, SECRET, "xyzzy", "my aunt") if secret in log]


@exhaustive
@POSIX
@pytest.mark.parametrize("number", sample(SIGNALS, [signal.SIGTERM]))
def test_asked_to_end_it_takes_no_new_calls_and_stores_what_is_billed(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, number: signal.Signals
) -> None:
    held = Held()
    openai.next(held)
    with serving({**with_openai, "ATELIER_WAIT_SECONDS": "0", "ATELIER_CONCURRENCY": "1"}) as server:
        sent = data_of(server.draw(FOX))["job"]
        held.wait()
        queued = data_of(server.draw({**FOX, "prompt": "an owl"}))["job"]
        server.process.send_signal(number)
        until(lambda: server.get("/image/last").status_code == 503)
        late = server.draw(SKETCH)
        assert (reason(late), "retry-after" in late.headers) == ("provider_unavailable", True)
        held.go.set()
        assert server.process.wait(LONG) == 128 + number
    assert len([path for path in files_in(tmp_path / "out") if path.suffix == ".png"]) == 1
    assert len(openai.requests) == 1
    states = {row["id"]: row["state"] for row in json.loads(atelier(with_openai, "jobs", "--json").stdout)}
    assert states == {sent: "done", queued: "cancelled"}


@exhaustive
@POSIX
def test_whoever_waits_is_answered_before_it_ends_and_open_connections_do_not_hold_it_up(
    with_openai: Environ, openai: OpenAI
) -> None:
    held = Held()
    openai.next(held)
    with serving(with_openai) as server, server.web() as web, server.web() as other:
        other.get("/healthz")  # a connection that stays open
        with meanwhile(lambda: web.post("/image/generate", json=body_of(FOX))) as answer:
            held.wait()
            server.process.send_signal(signal.SIGTERM)
            held.go.set()
        assert answer[0].status_code == 200
        assert server.process.wait(LONG) == 128 + signal.SIGTERM


@exhaustive
@POSIX
def test_a_second_signal_ends_it_at_once(with_openai: Environ, openai: OpenAI) -> None:
    held = Held()
    openai.next(held)
    with serving({**with_openai, "ATELIER_WAIT_SECONDS": "0"}) as server:
        server.draw(FOX)
        held.wait()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.get("/readyz", None).status_code == 503)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(LONG) == -signal.SIGTERM
    held.go.set()


@exhaustive
@pytest.mark.parametrize("arguments", [("--http", "--port", "0"), ("--http", "serve", "--port", "0")])
def test_the_word_serve_may_be_left_out(environ: Environ, arguments: tuple[str, ...]) -> None:
    done = atelier(environ, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "ATELIER_JWT_SECRET" in done.stderr


@exhaustive
def test_a_port_that_is_taken_and_a_host_that_is_none_end_it_with_a_sentence(environ: Environ) -> None:
    environ["ATELIER_JWT_SECRET"] = SECRET
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for where in (("--port", port), ("--host", "no.such.host.invalid")):
            done = atelier(environ, "--http", *where)
            assert (done.returncode, done.stdout) == (1, "")
            assert where[1] in done.stderr.splitlines()[-1]
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--http", "--port", "70000"),
        ("--http", "--port", "x"),
        ("--port", "80"),
        ("--http", "models"),
        ("--host", "x", "spend"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(environ: Environ, arguments: tuple[str, ...]) -> None:
    done = atelier(environ, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


@exhaustive
def test_over_stdio_nothing_of_it_is_loaded(environ: Environ) -> None:
    program = (
        "import sys\n"
        "from atelier.server.settings import Settings\n"
        "from atelier.server.mcp.server import build_server\n"
        "build_server(Settings.from_environ())\n"
        "ours = ('atelier.server.http.app', 'atelier.server.http.auth')\n"
        "print([name for name in sys.modules if name in ('jwt', 'fastapi') or name.startswith(ours)])"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
