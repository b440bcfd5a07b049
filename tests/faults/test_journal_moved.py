"""A real server whose journal is moved away or removed, at rest and while a vendor works."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.types import CallToolResult

from tests.conftest import Environ
from tests.faults.books import Books
from tests.faults.proxy import Held
from tests.faults.test_processes import answered, served
from tests.faults.world import World, arguments_for
from tests.server.database.test_moved import moved, moved_alone, removed
from tests.server.process import like_a_host

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows does not move a file that is open"),
]

How = Callable[[Path], None]


def told(environ: Environ, command: str) -> Any:
    """What a command of another process says."""
    run = [sys.executable, "-m", "atelier.server", command, "--json"]
    return json.loads(subprocess.run(run, env=like_a_host(environ), capture_output=True, check=True).stdout)


@pytest.mark.parametrize("how", [moved, moved_alone, removed])
@pytest.mark.parametrize("vendor", ["openai", "flux"])
async def test_while_a_vendor_works_its_bill_is_where_people_look(
    around: World, tmp_path: Path, vendor: str, how: How
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
            how(tmp_path / "state")
            tasks.start_soon(call)  # which joins the first
            held.go.set()
        assert len({answered(result)["images"][0]["id"] for result in results}) == 1
        assert len(around.billed) == 1
        spend = told(environ, "spend")
        assert spend["total_usd"] == pytest.approx(float(around.billed[0].usd), abs=1e-6)
        again = answered(await client.call_tool(tool, asked))
        assert again["images"][0]["id"] != answered(results[0])["images"][0]["id"], "the first was delivered"
    assert [job["state"] for job in told(environ, "jobs")] == ["done", "done"]
    Books.read(tmp_path).checked("the journal is moved while a vendor works", around.billed)
    assert len(around.billed) == 2


async def test_at_rest_the_next_call_is_in_the_new_one(around: World, tmp_path: Path) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("openai", tmp_path)
    async with served(environ) as client:
        answered(await client.call_tool(tool, asked))
        moved(tmp_path / "state")
        for _ in range(2):
            answered(await client.call_tool(tool, asked))
        assert told(environ, "spend")["rows"][0]["calls"] == 2
    assert told(environ, "spend")["rows"][0]["calls"] == 2
    assert len(around.billed) == 3


async def test_one_that_is_damaged_is_moved_away_under_the_running_server(around: World, tmp_path: Path) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("openai", tmp_path)
    file = tmp_path / "state" / "journal.db"
    async with served(environ) as client:
        answered(await client.call_tool(tool, asked))
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with file.open("r+b") as pages:
            pages.seek(4096)
            pages.write(b"\xa5" * (file.stat().st_size - 4096))
        refused = await client.call_tool(tool, asked)
        assert "malformed" in str(refused.content[0])
        assert "Move it away" in str(refused.content[0])
        assert len(around.billed) == 1
        file.rename(tmp_path / "damaged.db")
        answered(await client.call_tool(tool, asked))
        assert told(environ, "spend")["rows"][0]["calls"] == 1
    assert len(around.billed) == 2
