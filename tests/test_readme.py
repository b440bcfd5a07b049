"""README.md: short, with commands, blocks and buttons that start this server as their reader would start it."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from PIL import Image

from atelier.server.cli.setup.hosts import HOSTS
from tests import chat_image
from tests.exhaustive import exhaustive
from tests.npm import clean_environ
from tests.wheel import Wheel

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_LINES = 160
START = ("atelier", ["serve"])


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def started() -> dict[str, tuple[str, list[str]]]:
    """Return the command that each block and button starts, by the host's name."""
    found = dict[str, tuple[str, list[str]]]()
    for block in [*map(json.loads, blocks("json")), *map(tomllib.loads, blocks("toml"))]:
        for key in block.keys() & {"mcpServers", "servers", "mcp_servers"}:
            (entry,) = block[key].values()
            found[key] = (entry["command"], entry["args"])
    for block in blocks("sh"):
        command, *arguments = shlex.split(block.partition(" -- ")[2])
        found["claude mcp add"] = (command, arguments)
    for name, button in buttons().items():
        found[name] = (button["command"], button["args"])
    return found


def buttons() -> dict[str, dict[str, Any]]:
    """Return what each install button configures, by its host."""
    found = dict[str, dict[str, Any]]()
    addresses: list[str] = re.findall(r"\]\((https://[^)]*mcp[^)]*)\)", README)
    for address in addresses:
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query, strict_parsing=True))
        assert query["name"] == "atelier"
        config = query["config"]
        found[parts.hostname or ""] = json.loads(config if config.startswith("{") else base64.b64decode(config))
    return found


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= MAX_LINES


def test_it_opens_with_the_two_commands() -> None:
    commands = re.findall(r"^    (pip install .*)$", README, flags=re.MULTILINE)
    assert commands == [
        'pip install uv && uv run atelier generate "a lighthouse at dusk, oil painting"',
        "pip install uv && uv run pytest",
    ]
    assert README.index(commands[1]) < README.index("\n## ")


def test_every_block_and_button_starts_this_server() -> None:
    assert set(started()) == {
        "mcpServers", "servers", "mcp_servers", "claude mcp add", "insiders.vscode.dev", "cursor.com",
    }  # fmt: skip
    assert all(start == START for start in started().values()), started()


def test_it_counts_the_hosts_that_init_knows() -> None:
    assert "lists the fourteen hosts" in README
    assert len(HOSTS) == 14


def test_the_block_of_vscode_asks_for_the_key_that_it_uses() -> None:
    (block,) = [json.loads(block) for block in blocks("json") if "inputs" in block]
    asked = {f"${{input:{entry['id']}}}" for entry in block["inputs"]}
    assert {value for server in block["servers"].values() for value in server["env"].values()} == asked


@exhaustive
@pytest.mark.anyio
async def test_the_command_of_the_blocks_answers_where_the_package_is_installed(
    installed_wheel: Wheel, tmp_path: Path
) -> None:
    command, arguments = START
    path = f"{installed_wheel.interpreter.parent}{os.pathsep}{os.environ['PATH']}"
    environ = clean_environ() | {"ATELIER_OUTPUT_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": path}
    program = str(installed_wheel.interpreter.with_name(command + (".exe" if sys.platform == "win32" else "")))
    async with Client(StdioServerParameters(command=program, args=arguments, env=environ), mode="legacy") as client:
        assert client.server_info is not None
        assert client.server_info.name == "atelier"


@exhaustive
@pytest.mark.anyio
async def test_the_chat_of_the_image_is_what_the_server_answers(tmp_path: Path) -> None:
    lines, preview = await chat_image.answer(tmp_path)
    assert [line.partition(":")[0].split()[0] for line in lines] == ["1", "File", "Asset", "Model"]
    with Image.open(chat_image.FILE) as shown:
        assert shown.size == chat_image.drawn(lines, preview).size, "run `uv run python -m tests.chat_image`"
    assert chat_image.FILE.stat().st_size < 100_000


def test_the_example_in_python_runs(installed_wheel: Wheel, tmp_path: Path) -> None:
    (block,) = blocks("python")
    program = block.replace("result.image_bytes", "print(result.image_bytes[:4])")
    assert installed_wheel.python("-c", program, cwd=tmp_path).strip() == repr(b"\x89PNG")
