"""The sizes, settings, clients and claims of docs/hosts.md are those of the server."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from atelier.server.cli.signatures.defaults import PORT
from atelier.server.http.discovery import MCP_PATH
from atelier.server.mcp import descriptions
from atelier.server.mcp.results import HOSTS
from atelier.server.settings import Settings
from atelier.tools import TOOLS
from tests.conftest import Connect
from tests.exhaustive import exhaustive
from tests.server.process import CALL, conversation, hello
from tests.test_schemas import size

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/hosts.md").read_text(encoding="utf-8")
TOLERANCE = 0.06  # the page has rounded figures
SAID = {name.strip("`"): int(bytes_.replace(",", "")) for name, bytes_ in re.findall(r"\| (.+?) \| ([\d,]+) \|", PAGE)}


async def test_the_sizes_of_the_page_are_those_of_the_tools(connect: Connect) -> None:
    shown = [descriptions.description(tool) for tool in TOOLS]
    sizes = {tool.name: size(tool.name, tool.description, tool.input_schema) for tool in shown}
    async with connect() as client:
        listed = await client.list_tools()
    whole = size(listed.model_dump(mode="json", by_alias=True, exclude_none=True, include={"tools"}))
    measured = sizes | {"all five": sum(sizes.values()), "the answer to `tools/list`": whole}
    measured = {name.strip("`"): count for name, count in measured.items()}
    assert SAID.keys() == measured.keys()
    wrong = {name for name, said in SAID.items() if abs(said / measured[name] - 1) > TOLERANCE}
    assert wrong == set(), f"measured: {measured}"


def test_the_page_names_settings_that_exist_and_every_host_that_is_known_by_name() -> None:
    settings = {name.removeprefix("ATELIER_").lower() for name in re.findall(r"ATELIER_[A-Z_]+", PAGE)}
    assert settings <= set(Settings.model_fields)
    known = {"codex-mcp-client": "Codex", "google-adk": "Google ADK", "Visual Studio Code": "VS Code"}
    known |= {"LibreChat": "LibreChat", "@librechat/api-client": "LibreChat"}
    assert known.keys() == HOSTS.keys()
    assert all(f"| {name}" in PAGE for name in known.values())
    assert "(docs/hosts.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


BLOCKS = re.findall(r"^```(json|toml|yaml)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
LOADERS: dict[str, Callable[[str], Any]] = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}


@pytest.mark.parametrize(("language", "block"), BLOCKS)
def test_every_block_starts_the_server_or_leads_to_it(language: str, block: str) -> None:
    found = LOADERS[language](block)
    while "atelier" not in found:
        (found,) = found.values()
    entry = found["atelier"]
    if "url" in entry:
        assert entry["url"] == f"http://127.0.0.1:{PORT}{MCP_PATH}"
        assert entry["headers"] == {"Authorization": "Bearer TOKEN"}  # the service refuses a call without one
        return
    command = entry.get("cmd") or entry["command"]
    assert [command, *entry["args"]] == ["atelier", "serve"] if "args" in entry else command == ["atelier", "serve"]


@pytest.mark.parametrize("blank", [None, ""])
async def test_what_a_strict_schema_forces_a_model_to_fill_in_counts_as_left_out(
    connect: Connect, blank: str | None
) -> None:
    (tool,) = [descriptions.description(tool) for tool in TOOLS if tool.name == "generate_image"]
    optional = tool.input_schema["properties"].keys() - {"prompt", "model"}
    async with connect() as client:
        result = await client.call_tool(
            "generate_image", {"prompt": "a fox", "model": "sketch"} | dict.fromkeys(optional, blank)
        )
    assert not result.is_error, result.content


@exhaustive
@pytest.mark.parametrize("level", [None, "info"])
def test_a_server_on_stdio_logs_calls_only_when_asked(environ: dict[str, str], level: str | None) -> None:
    call = {**CALL, "params": {"name": "generate_image", "arguments": {"prompt": "a fox", "model": "sketch"}}}
    _, log = conversation(environ | ({"ATELIER_LOG_LEVEL": level} if level else {}), hello("2025-11-25"), call)
    assert (log == "") is (level is None)
