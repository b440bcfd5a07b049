"""`atelier studio`: an address that opens the page in one browser, once, and calls that only that page may make."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp.client import Client

from atelier.providers.testing.waiting import LONG
from atelier.providers.transport.network.http_client import httpx
from atelier.server.http.studio import StudioBridge
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from atelier.server.studio.page import studio_page
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.process import started

pytestmark = pytest.mark.anyio

ADDRESS = "http://127.0.0.1:4242"
ORIGIN = {"Origin": ADDRESS}


@asynccontextmanager
async def bridged(environ: Environ) -> AsyncGenerator[tuple[StudioBridge, httpx.AsyncClient]]:
    """A bridge in this process, and a browser without cookies."""
    async with Client(build_server(Settings.from_environ(environ))) as client:
        bridge = StudioBridge(ADDRESS, client, 10_000)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(bridge.app()), base_url=ADDRESS) as browser:
            yield bridge, browser


def call(name: str = "studio_images", method: str = "tools/call", **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": {"name": name, "arguments": arguments}}


async def test_the_token_is_taken_once_for_a_cookie_and_an_address_without_it(environ: Environ) -> None:
    async with bridged(environ) as (bridge, browser):
        link = bridge.link
        assert (await browser.get("/")).status_code == 403
        assert (await browser.get("/?token=wrong")).status_code == 403
        opened = await browser.get(link)
        page = await browser.get("/")
        again = await browser.get(link)
        browser.cookies.clear()
        elsewhere = await browser.get(link)
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert re.search(r"; HttpOnly; .*SameSite=lax", opened.headers["set-cookie"])
    assert page.text == studio_page(connect="'self'")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert (again.status_code, elsewhere.status_code) == (303, 403)
    assert "atelier studio" in elsewhere.text


async def test_a_call_needs_the_cookie_the_origin_and_the_host(environ: Environ) -> None:
    async with bridged(environ) as (bridge, browser):
        refused = [await browser.post("/call", json=call(), headers=ORIGIN)]
        await browser.get(bridge.link)
        done = await browser.post("/call", json=call(), headers=ORIGIN)
        refused += [
            await browser.post("/call", json=call()),
            await browser.post("/call", json=call(), headers={"Origin": "http://127.0.0.1:4243"}),
            await browser.post("/call", json=call(), headers=ORIGIN | {"Host": "evil.example:4242"}),
            await browser.get("/", headers={"Host": "evil.example:4242"}),
            await browser.post("/call", content="{}", headers=ORIGIN | {"Content-Type": "text/plain"}),
            await browser.post("/call", json=call(search="x" * 20_000), headers=ORIGIN),
        ]
    assert done.json()["result"]["structuredContent"] == {"found": []}
    assert [answer.status_code for answer in refused] == [403, 403, 403, 421, 421, 415, 413]


async def test_only_tools_are_called_and_a_refusal_is_passed_on(environ: Environ) -> None:
    async with bridged(environ) as (bridge, browser):
        await browser.get(bridge.link)
        answers = [
            (await browser.post("/call", json=message, headers=ORIGIN)).json()
            for message in (call(method="resources/list"), call("no_such_tool"), {"id": 1}, call(limit=0))
        ]
    assert [answer.get("error", {}).get("code") for answer in answers] == [-32601, -32602, -32602, None]
    assert answers[-1]["result"]["isError"]


@exhaustive
def test_the_command_prints_the_address_and_ends_at_a_signal(environ: Environ) -> None:
    environ["ATELIER_TOOLS"] = "generate_image"  # for models; the studio is a person's
    command = [sys.executable, "-m", "atelier.server", "studio", "--no-open"]
    with started(environ, command, subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        link = process.stdout.readline().strip()
        with httpx.Client(trust_env=False, follow_redirects=True, timeout=LONG) as browser:
            page = browser.get(link)
            address = str(page.url).rstrip("/")
            answer = browser.post(f"{address}/call", json=call(), headers={"Origin": address})
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert process.wait(LONG) == 128 + signal.SIGINT
        log = process.stderr.read()
    assert page.text == studio_page(connect="'self'")
    assert answer.json()["result"]["structuredContent"] == {"found": []}
    assert "token" not in log
