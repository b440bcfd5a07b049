"""Two other MCP servers that make images, measured in the same run as Atelier: `uv run python -m bench.peers`.

`image-generation-mcp` (PyPI) and `mcp-image` (npm) are installed below build/bench; they reach the same vendor process.
Columns: spawn to `initialize`, the bytes of `tools/list`, a call of 2 MB, the slowest `tools/list` while eight run,
the bytes of a reply, and the memory after all that.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from atelier.providers.testing.emulators.openai_rules import KEY
from bench.measures import SERVER, Bench, timed
from bench.vendor import vendor_process

FOLDER = Path(__file__).resolve().parent.parent / "build" / "bench" / "peers"
PYPI, NPM = ("image-generation-mcp==1.12.*", "openai>=2,<4"), "mcp-image@0.14"
CALLS = 5


@dataclass(frozen=True)
class Server:
    """A server, how it is started, and the arguments by which it makes an image."""

    name: str
    command: list[str]
    environ: dict[str, str]
    arguments: dict[str, Any]


def servers(bench: Bench) -> list[Server]:
    """Return Atelier and its peers, which are installed at the first time."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    python, node = FOLDER / "python", FOLDER / "node"
    if not python.exists():
        subprocess.run(["uv", "venv", "-q", python], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "--python", python / "bin" / "python", *PYPI], check=True)
    if not node.exists():
        node.mkdir()
        subprocess.run([shutil.which("npm") or "npm", "install", "--silent", "--prefix", node, NPM], check=True)
    out = str(bench.folder / "peers")
    keys = {**bench.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": bench.vendor}
    first = {
        "IMAGE_GENERATION_MCP_OPENAI_API_KEY": KEY,
        "IMAGE_GENERATION_MCP_READ_ONLY": "false",
        "IMAGE_GENERATION_MCP_SCRATCH_DIR": out,
    }
    second = {"IMAGE_PROVIDER": "openai", "IMAGE_OUTPUT_DIR": out, "SKIP_PROMPT_ENHANCEMENT": "true"}
    ours = {"model": "gpt-image-2.5-flare", "size": "1024x1024", "quality": "low"}
    script = str(node / "node_modules" / "mcp-image" / "dist" / "index.js")
    return [
        Server("atelier", SERVER, bench.environ, ours),
        Server(
            "image-generation-mcp 1.12",
            [str(python / "bin" / "image-generation-mcp"), "serve"],
            {**keys, **first},
            {"provider": "openai"},
        ),
        Server("mcp-image 0.14", [shutil.which("node") or "node", script], {**keys, **second}, {}),
    ]


async def draw(client: Client, server: Server, number: int) -> int:
    """Make one image, and return the bytes of the reply. A server that answers at once is asked until it is done."""
    asked = {**server.arguments, "prompt": f"large {number} {time.time()}"}
    answer = await client.call_tool("generate_image", asked)
    text = answer.model_dump_json()
    assert not answer.is_error, text[:500]
    if found := re.search(r"image_id\W+([0-9a-f]{6,})", text):
        while "completed" not in (
            state := (await client.call_tool("check_generation_status", {"image_id": found[1]})).model_dump_json()
        ):
            assert "failed" not in state, state[:500]
            await anyio.sleep(0.01)
    return len(text)


async def row(bench: Bench, server: Server) -> list[str]:
    """Return the columns of a server."""
    spawned = statistics.median(bench.spawn(server.command, environ=server.environ) for _ in range(3))
    parameters = StdioServerParameters(command=server.command[0], args=server.command[1:], env=server.environ)
    async with Client(parameters) as client:
        listed = len((await client.list_tools()).model_dump_json(exclude_none=True))
        reply = await draw(client, server, 0)
        took = [await timed(lambda: draw(client, server, 1)) for _ in range(CALLS)]
        asked = list[float]()
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                while True:
                    asked.append(await timed(client.list_tools))
                    await anyio.sleep(0.01)

            tasks.start_soon(ask)
            async with anyio.create_task_group() as drawing:
                for number in range(8):
                    drawing.start_soon(draw, client, server, number)
            tasks.cancel_scope.cancel()
        memory = resident_mb(server.command)
    seconds = [f"{1000 * each:.0f}" for each in (spawned, statistics.median(took), max(asked))]
    return [server.name, seconds[0], str(listed), seconds[1], seconds[2], str(reply), f"{memory:.0f}"]


def resident_mb(command: list[str]) -> float:
    """Return the memory of the process that runs a command (Linux)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[-1 - len(command[1:]) : -1] == command[1:] or words[1 : 1 + len(command)] == command:
                return int((folder / "statm").read_text().split()[1]) * 4096 / 2**20
        except OSError:
            continue
    return float("nan")


async def table(vendor: str) -> list[list[str]]:
    """Return the rows of all servers."""
    bench = Bench(vendor)
    return [await row(bench, server) for server in servers(bench)]


def main() -> int:
    """Measure, and print the table."""
    with vendor_process() as url:
        rows = anyio.run(table, url)
    head = ["server", "initialize ms", "tools/list B", "2 MB call ms", "ask, 8 run ms", "reply B", "memory MB"]
    for columns in [head, *rows]:
        sys.stdout.write(f"{columns[0]:28}" + "".join(f"{each:>15}" for each in columns[1:]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
