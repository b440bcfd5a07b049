"""What the measures are compared with: the least that could do the same."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import urllib.request
from pathlib import Path

from atelier.server.mcp.previews import preview

ONE_TOOL = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("floor")

@server.tool()
def echo(text: str) -> str:
    return text

server.run()
"""
"""A server with one tool on the bare SDK."""


def one_tool() -> list[str]:
    """Return the command that runs it."""
    file = Path(tempfile.gettempdir()) / "atelier_bench_floor.py"
    file.write_text(ONE_TOOL)
    return [sys.executable, str(file)]


def generate(url: str, key: str, folder: Path) -> None:
    """POST, parse, decode, write the image and the same preview of it: a generation without any promise."""
    body = json.dumps({"model": "gpt-image-2.5-flare", "prompt": "large"}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/images/generations", data=body, headers=headers)
    with urllib.request.urlopen(request) as answer:
        data = base64.b64decode(json.load(answer)["data"][0]["b64_json"])
    (folder / "image.png").write_bytes(data)
    (folder / "preview.jpg").write_bytes(preview(data))
