"""The Inspector's command line, which is built on the TypeScript client, over both transports in both protocol eras."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from mcp.server.apps import APP_MIME_TYPE

from atelier.server.studio.app import URI
from atelier.server.studio.app_tools import APP_TOOLS
from atelier.tools import TOOLS
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.npm import clean_environ, installed, node
from tests.server.http_process import SKETCH, Server, token
from tests.server.process import SERVE, like_a_host

INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
TOOL_ERROR = 5  # its exit code for a result that is an error

pytestmark = [exhaustive, pytest.mark.parametrize("era", ["legacy", "modern"])]


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest, environ: Environ) -> list[str]:
    """What the Inspector connects to, in its own words."""
    if request.param == "stdio":
        settings = [word for name, value in like_a_host(environ).items() for word in ("-e", f"{name}={value}")]
        return [*SERVE, *settings]
    server: Server = request.getfixturevalue("http_server")
    return ["--server-url", f"{server.url}/mcp", "--transport", "http", "--header", f"Authorization: Bearer {token()}"]


def inspect(config: pytest.Config, *words: str) -> tuple[int, dict[str, Any], str]:
    """Return the exit code, the result, and stderr."""
    folder = installed(INSPECTOR, config).parent / "node_modules/@modelcontextprotocol/inspector/clients"
    command = [str(node()), str(folder / "launcher/build/index.js"), "--cli", *words, "--format", "json"]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=False, timeout=120)
    answer = json.loads(done.stdout)
    return done.returncode, answer.get("result") or answer["appInfo"], done.stderr


def test_the_schemas_are_portable(target: list[str], era: str, request: pytest.FixtureRequest) -> None:
    words = ("--protocol-era", era, "--method", "tools/list", "--strict")
    code, result, log = inspect(request.config, *target, *words)
    assert (code, log) == (0, "")  # not even a warning
    assert [tool["name"] for tool in result["tools"]] == [tool.name for tool in TOOLS]


def test_a_draft_and_an_error_arrive_whole(target: list[str], era: str, request: pytest.FixtureRequest) -> None:
    words = ("--protocol-era", era, "--method", "tools/call", "--tool-name", "generate_image", "--tool-args-json")
    code, result, _ = inspect(request.config, *target, *words, json.dumps(SKETCH))
    assert code == 0
    assert [block["type"] for block in result["content"]] == ["text", "image"]
    (image,) = result["structuredContent"]["images"]
    assert image["id"] in result["content"][0]["text"]
    code, result, _ = inspect(request.config, *target, *words, json.dumps({**SKETCH, "colour": "red"}))
    assert code == TOOL_ERROR
    assert "colour" in result["content"][0]["text"]
    assert "structuredContent" not in result


def test_it_finds_the_studio_where_it_can_show_it(target: list[str], era: str, request: pytest.FixtureRequest) -> None:
    words = ("--protocol-era", era, "--advertise-apps", "--method")
    code, result, log = inspect(request.config, *target, *words, "tools/list", "--strict")
    assert (code, log) == (0, "")
    assert [tool["name"] for tool in result["tools"]] == [*(tool.name for tool in TOOLS), *APP_TOOLS]
    code, app, _ = inspect(request.config, *target, *words, "tools/call", "--app-info", "--tool-name", "edit_image")
    assert (code, app["hasApp"], app["resourceUri"]) == (0, True, URI)
    assert (app["resourceMimeType"], app["csp"]) == (APP_MIME_TYPE, {"connectDomains": [], "resourceDomains": []})
