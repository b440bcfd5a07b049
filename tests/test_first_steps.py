"""README, followed by a new user with an empty home folder: from the checkout to an image, and to a host that works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.exhaustive import exhaustive
from tests.npm import clean_environ
from tests.test_readme import blocks
from tests.wheel import ROOT

SECONDS_TO_AN_IMAGE, SECONDS_TO_A_HOST = 60, 180


@exhaustive
@pytest.mark.anyio
@pytest.mark.skipif(os.name != "posix", reason="the block is of a POSIX shell")
async def test_the_blocks_of_the_readme_lead_to_an_image_and_to_a_host_that_works(tmp_path: Path) -> None:
    home, checkout = tmp_path / "home", tmp_path / "atelier"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".venv", "build", "tests", "__pycache__"))
    bin = home / ".local/bin"
    environ = {name: value for name, value in clean_environ().items() if not name.endswith(("_KEY", "_TOKEN"))}
    environ |= {"HOME": str(home), "PATH": f"{bin}{os.pathsep}{environ['PATH']}", "UV_CACHE_DIR": cache()}
    for name in [name for name in environ if name.startswith(("XDG_", "ATELIER_"))]:
        del environ[name]
    begun = time.monotonic()
    install, write_the_block = blocks("console")
    home.mkdir()
    printed = run(install, checkout, environ)
    (shown,) = re.findall(rf"^({re.escape(str(home))}/Pictures/atelier/\S+\.png)$", printed, re.MULTILINE)
    assert Path(shown).read_bytes().startswith(b"\x89PNG")
    assert time.monotonic() - begun < SECONDS_TO_AN_IMAGE

    run(write_the_block, home, environ)
    (file,) = home.rglob("claude_desktop_config.json")
    entry: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["mcpServers"]["atelier"]
    desktop = environ | {"PATH": "/usr/bin:/bin"}  # which knows nothing of the shell's
    server = StdioServerParameters(command=str(entry["command"]), args=list(entry["args"]), env=desktop)
    async with Client(server) as client:
        drawn = await client.call_tool("generate_image", {"prompt": "a lighthouse at dusk"})
    assert not drawn.is_error, drawn.content
    assert [part.type for part in drawn.content] == ["text", "image"]
    assert time.monotonic() - begun < SECONDS_TO_A_HOST


def run(script: str, folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-ec", script], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cache() -> str:
    """Return this machine's cache of packages: how fast a line is, is no matter of this test."""
    return subprocess.check_output(["uv", "cache", "dir"], text=True).strip()
