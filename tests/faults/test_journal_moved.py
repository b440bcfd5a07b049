"""A real server whose journal is moved away or removed, at rest and while a vendor works."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import CallToolResult

from tests.conftest import Environ
from tests.exhaustive import exhaustive, sample
from tests.faults.proxy import Held
from tests.faults.servers import answered, served
from tests.faults.world import World, arguments_for
from tests.server.database.test_moved import moved, removed
from tests.server.process import like_a_host

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows does not move a file that is open"),
]

How = Callable[[Path], None]


def told(environ: Environ, command: str) -> Any:
    """The facts that a command of another process prints."""
    run = [sys.executable, "-m", "atelier.server", command, "--json"]
    return json.loads(subprocess.run(run, env=like_a_host(environ), capture_output=True, check=True).stdout)


def assert_refused(result: CallToolResult) -> None:
    assert result.is_error
    assert "was moved or removed while Atelier runs" in str(result.content[0])
    assert "Restart Atelier" in str(result.content[0])


@exhaustive
@pytest.mark.parametrize("how", sample([moved, removed], [moved]))
async def test_at_rest_only_what_is_free_is_drawn_until_a_restart(around: World, tmp_path: Path, how: How) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("openai", tmp_path)
    async with served(environ) as client:
        answered(await client.call_tool(tool, asked))
        how(tmp_path / "state")
        assert_refused(await client.call_tool(tool, asked))
        answered(await client.call_tool("generate_image", {"prompt": "a fox", "model": "sketch", "size": "64x64"}))
        assert len(around.billed) == 1
    async with served(environ) as client:
        answered(await client.call_tool(tool, asked))
    assert told(environ, "spend")["rows"][0]["calls"] == 1
    assert len(around.billed) == 2


@exhaustive
@pytest.mark.parametrize("vendor", sample(["openai", "flux"], ["flux"]))
async def test_while_a_vendor_works_its_pictures_are_stored_and_answered(
    around: World, tmp_path: Path, vendor: str
) -> None:
    environ, held, results = around.environ(tmp_path), Held(), list[CallToolResult]()
    around.proxy(vendor).next("put", held)
    tool, asked = arguments_for(vendor, tmp_path)
    async with served(environ) as client:

        async def call() -> None:
            results.append(await client.call_tool(tool, asked))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await held.arrival()
            removed(tmp_path / "state")
            held.go.set()
        (image,) = answered(results[0])["images"]
        assert Path(image["path"]).is_file()
        assert_refused(await client.call_tool(tool, asked))
    assert len(around.billed) == 1
