"""Clients that others wrote, each in an environment of its own: list, draw, edit by the handle, be refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from atelier.tools import TOOLS
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.hosts.scripted_model import ASSET, DRAW, ScriptedModel
from tests.npm import clean_environ, installed, node
from tests.server.http_process import Server, token
from tests.server.process import SERVE, like_a_host

CLIENTS = Path(__file__).with_name("clients")

PYTHON: Mapping[str, tuple[str, ...]] = {
    "fastmcp_client.py": ("fastmcp==4.2.3",),
    "langchain_client.py": ("langchain-mcp-adapters==0.3.2",),
    "pydantic_client.py": ("pydantic-ai-slim[mcp,openai]==2.68.0",),
    "agents_client.py": ("openai-agents==0.24.0",),
    "smolagents_client.py": ("smolagents[mcp]==1.26.0", "mcp<2"),  # mcpadapt 0.1.19 needs the older SDK
}
"""Client -> what it is installed with."""

NODE = {
    "typescript1.mjs": "@modelcontextprotocol/sdk@1.32.2",
    "typescript2.mjs": "@modelcontextprotocol/client@2.4.0",
}

pytestmark = exhaustive


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest, environ: Environ) -> dict[str, Any]:
    if request.param == "stdio":
        return {"command": SERVE[0], "args": SERVE[1:], "env": like_a_host(environ)}
    server: Server = request.getfixturevalue("http_server")
    return {"url": f"{server.url}/mcp", "headers": {"Authorization": f"Bearer {token()}"}}


def seen_by(command: list[str], target: Mapping[str, Any]) -> tuple[dict[str, Any], ScriptedModel]:
    """Return what a client saw of the tools and of three calls, and the model, which decides on those of agents."""
    with (model := ScriptedModel()).serving():
        ask = {
            "target": target,
            "draw": DRAW,
            "edit": {"prompt": "blue", "model": "sketch"},
            "wrong": {**DRAW, "size": "1x1x1"},
            "model": f"{model.url}/v1",
        }
        done = subprocess.run(
            command, input=json.dumps(ask), env=clean_environ(), capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout), model


def check(seen: Mapping[str, Any]) -> None:
    assert seen["tools"] == [tool.name for tool in TOOLS]
    drawn, edited = set(ASSET.findall(seen["drawn"])), set(ASSET.findall(seen["edited"]))
    assert len(drawn) == len(edited) == 1
    assert drawn != edited


@pytest.mark.parametrize("client", PYTHON)
def test_a_python_client_draws_edits_and_is_told_of_an_error(client: str, target: dict[str, Any]) -> None:
    packages = [word for package in PYTHON[client] for word in ("--with", package)]
    command = ["uv", "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable, *packages]
    seen, model = seen_by([*command, "python", str(CLIENTS / client)], target)
    check(seen)
    agent = bool(model.requests)  # it follows the model's script, which makes another mistake
    assert ("generate_image takes" if agent else "WIDTHxHEIGHT") in seen["error"]
    if client == "agents_client.py":
        check_strict(model)
    if client == "smolagents_client.py":
        assert "prompt" not in seen["optional"]
        assert {"size", "n", "confirm_cost"} <= set(seen["optional"])


def check_strict(model: ScriptedModel) -> None:
    """Check that the OpenAI Agents SDK could make our schemas strict: all are required, no others are allowed."""
    generate = model.tools["generate_image"]
    assert generate["strict"] is True
    schema = generate["parameters"]
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(schema["properties"])


@pytest.mark.parametrize("client", NODE)
def test_a_typescript_client_draws_edits_and_is_told_of_an_error(
    client: str, target: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    folder = installed(NODE[client], request.config).parent
    for program in (client, "typescript.mjs"):
        shutil.copy2(CLIENTS / program, folder / program)  # Node resolves modules from the program's folder
    seen, _ = seen_by([str(node()), str(folder / client)], target)
    check(seen)
    assert "WIDTHxHEIGHT" in seen["error"]
    assert (len(seen["prompts"]), seen["completed"]) == (5, ["sketch"])
    assert "of the image last: make it night" in seen["prompt"]
