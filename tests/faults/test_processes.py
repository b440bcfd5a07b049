"""Real servers over stdio that are killed, ended, left alone, out of space and out of time; and the next one's work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult

from tests.conftest import Environ
from tests.faults.books import Books
from tests.faults.launcher import STEPS
from tests.faults.proxy import Held
from tests.faults.world import World, arguments_for
from tests.server.process import hello, like_a_host

LAUNCHER = [sys.executable, str(Path(__file__).with_name("launcher.py"))]
SERVER = [sys.executable, "-m", "atelier.server", "serve"]
GONE = (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError)
"""What a client meets whose server has died."""
ROOT = str(Path(__file__).parent.parent.parent)

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signals"),
]


@asynccontextmanager
async def served(environ: Environ, **faults: str) -> AsyncGenerator[Client]:
    """The official client on a server process; with faults it is the launcher's."""
    command, *arguments = LAUNCHER if faults else SERVER
    parameters = StdioServerParameters(command=command, args=arguments, env=with_faults(environ, faults))
    with nowhere() as log:
        async with Client(stdio_client(parameters, errlog=log)) as client:
            yield client


def with_faults(environ: Environ, faults: dict[str, str]) -> Environ:
    """The environment of a server with faults of its own."""
    return {**environ, "PYTHONPATH": ROOT, **{f"FAULT_{name.upper()}": words for name, words in faults.items()}}


@contextmanager
def nowhere() -> Generator[TextIO]:
    """Where the log of a server goes."""
    with Path(os.devnull).open("w", encoding="utf-8") as log:
        yield log


async def killed_at(environ: Environ, step: str, when: str, tool: str, asked: dict[str, Any]) -> None:
    """A call to a server that dies at that step."""
    with anyio.fail_after(30):
        async with served(environ, kill=f"{step}:{when}") as client:
            with suppress(*GONE):
                await client.call_tool(tool, asked)
                while step == "delivered":  # the answer may have been quicker
                    await client.call_tool("list_models", {"vendor": "sketch"})


async def at_rest(folder: Path) -> Books:
    """The books once no job runs any more."""
    with anyio.fail_after(30):
        while True:
            books = Books.read(folder)
            if not any(job.state == "running" for job in books.jobs.values()):
                return books
            await anyio.sleep(0.02)


def answered(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


def expected(vendor: str, step: str, when: str) -> tuple[str | None, int]:
    """In what state the job is to end, and how many of its pictures are to be stored."""
    at = STEPS.index(step) + (when == "after")
    if at == 0:
        return None, 0
    if at == 1:
        return "cancelled", 0
    if at == 2 or (step, when) == ("sent", "before"):
        return ("unknown" if (step, when) != ("sent", "before") else "cancelled"), 0
    if (step, when) == ("note", "before"):
        return "unknown", 0
    return "done", 2 if vendor == "openai" else 1


KILLS = [
    (vendor, step, when)
    for vendor in ("openai", "flux", "relight")
    for step in STEPS
    for when in ("before", "after")
    if step in {"openai": {*STEPS} - {"note"}, "flux": {*STEPS[1:5]}, "relight": {"note", "landed"}}[vendor]
]


@pytest.mark.parametrize(("vendor", "step", "when"), KILLS)
async def test_killed_at_a_step_of_the_journal(
    around: World, tmp_path: Path, vendor: str, step: str, when: str
) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for(vendor, tmp_path, 2 if vendor == "openai" else 1)
    await killed_at(environ, step, when, tool, asked)
    state, stored = expected(vendor, step, when)
    paid = len(around.billed)

    async with served(environ) as client:
        books = await at_rest(tmp_path)  # the next server takes up what is left, whoever calls
        label = f"kill -9 {when} {step}"
        books.checked(label, around.billed)
        assert len(around.billed) == paid, "it was sent again"
        assert (books.job.state if books.jobs else None, len(books.records)) == (state, stored)
        again = answered(await client.call_tool(tool, asked))
    collected = state == "done" and (step, when) != ("delivered", "after")
    assert len(around.billed) == paid + (not collected)
    warned = [warning for warning in again.get("warnings", []) if books.jobs and books.job.id in warning]
    assert bool(warned) == (state == "unknown")
    if collected:
        assert {image["id"] for image in again["images"]} == {record["id"] for record in books.records}
        assert all(Path(image["path"]).is_file() for image in again["images"])
    Books.read(tmp_path).checked(f"{label}, then the same call", around.billed)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_asked_to_end_at_a_step_of_the_journal(around: World, tmp_path: Path, step: str, when: str) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    with anyio.fail_after(30):
        async with served(environ, term=f"{step}:{when}") as client:
            with suppress(*GONE):
                await client.call_tool(tool, asked)
                while True:  # the answer may have been quicker than the end
                    await client.call_tool("list_models", {"vendor": "sketch"})
    books = Books.read(tmp_path).checked(f"SIGTERM {when} {step}", around.billed)
    assert (books.job.state, len(around.billed), len(books.records)) == ("done", 1, 1)
    async with served(environ) as client:
        again = answered(await client.call_tool(tool, asked))
    assert (again["images"][0]["id"] == books.records[0]["id"]) == (not books.job.delivered)
    Books.read(tmp_path).checked(f"SIGTERM {when} {step}, then the same call", around.billed)
    assert len(around.billed) == (2 if books.job.delivered else 1)


async def test_two_servers_side_by_side_take_up_what_a_third_left(around: World, tmp_path: Path) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    await killed_at(environ, "note", "after", tool, asked)
    ids = list[str]()
    async with served(environ) as one, served(environ) as other, anyio.create_task_group() as tasks:

        async def collected(client: Client) -> None:
            ids.append(answered(await client.call_tool(tool, asked))["images"][0]["id"])

        tasks.start_soon(collected, one)
        tasks.start_soon(collected, other)
    assert len(set(ids)) == 1
    Books.read(tmp_path).checked("kill -9, then two servers at once", around.billed)
    assert len(around.billed) == 1


@contextmanager
def by_hand(environ: Environ, **faults: str) -> Generator[subprocess.Popen[str]]:
    """A server whose pipes are in our hands, after its handshake; with faults it is the launcher's."""
    process = subprocess.Popen(
        LAUNCHER if faults else SERVER,
        env=with_faults(like_a_host(environ), faults),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )
    with process:
        try:
            say(process, hello("2025-11-25"))
            assert process.stdout is not None
            process.stdout.readline()
            say(process, {"method": "notifications/initialized"})
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[str], message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    process.stdin.flush()


@pytest.mark.parametrize("end", ["client disconnects", "SIGTERM", "SIGINT", "cancelled, then SIGTERM"])
@pytest.mark.parametrize("vendor", ["openai", "flux"])
async def test_what_was_sent_is_seen_through_and_collected(
    around: World, tmp_path: Path, vendor: str, end: str
) -> None:
    environ, held = around.environ(tmp_path), Held()
    around.proxy(vendor).next("put", held)
    tool, asked = arguments_for(vendor, tmp_path)
    with by_hand(environ) as process:
        say(process, {"method": "tools/call", "id": 2, "params": {"name": tool, "arguments": asked}})
        assert await anyio.to_thread.run_sync(held.heard.wait, 30)
        if end == "client disconnects":
            assert process.stdin is not None
            process.stdin.close()
        elif end == "SIGINT":
            process.send_signal(signal.SIGINT)
        else:
            if end != "SIGTERM":
                say(process, {"method": "notifications/cancelled", "params": {"requestId": 2}})
            process.send_signal(signal.SIGTERM)
        threading.Timer(0.2, held.go.set).start()
        await anyio.to_thread.run_sync(process.wait, 30)
    books = Books.read(tmp_path).checked(end, around.billed)
    assert (books.job.state, len(books.records)) == ("done", 1)
    async with served(environ) as client:
        again = answered(await client.call_tool(tool, asked))
    assert len(around.billed) == (1 if not books.job.delivered else 2)
    assert (again["images"][0]["id"] == books.records[0]["id"]) == (not books.job.delivered)
    Books.read(tmp_path).checked(f"{end}, then the same call", around.billed)


async def test_a_picture_that_the_disk_does_not_take_is_handed_over(around: World, tmp_path: Path) -> None:
    environ = around.environ(tmp_path, ATELIER_WAIT_SECONDS="20")
    tool, asked = arguments_for("openai", tmp_path)
    async with served(environ, disk="pictures") as client:
        result = await client.call_tool(tool, asked)
    assert not result.is_error
    assert "Not stored" in str(result.content[0])
    assert any(block.type == "image" for block in result.content)
    books = Books.read(tmp_path).checked("the pictures' disk is full", around.billed, unkept=True)
    assert books.job.state == "done"


@pytest.mark.parametrize("step", ["open", "sent", "note", "settle", "finish"])
async def test_a_journal_whose_disk_is_full(around: World, tmp_path: Path, step: str) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    async with served(environ, full=f"{step}:") as client:
        result = await client.call_tool(tool, asked)
    assert result.is_error == (step in ("open", "sent"))
    assert len(around.billed) == (step not in ("open", "sent"))
    async with served(environ) as client:
        answered(await client.call_tool(tool, asked))
    Books.read(tmp_path).checked(f"the journal's disk is full from {step} on", around.billed)


@pytest.mark.parametrize("step", ["note", "landed", "settle", "finish", "delivered"])
async def test_a_journal_whose_disk_is_full_for_a_moment(around: World, tmp_path: Path, step: str) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    async with served(environ, full=f"{step}:1") as client:
        answered(await client.call_tool(tool, asked))
        answered(await client.call_tool(tool, asked))
    Books.read(tmp_path).checked(f"the journal's disk is full for a moment, at {step}", around.billed)


@pytest.mark.parametrize("jump", [-86_400 * 400, 86_400 * 400])
async def test_a_clock_that_jumps(around: World, tmp_path: Path, jump: int) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    async with served(environ, clock=f"sent:{jump}") as client:
        answered(await client.call_tool(tool, asked))
        assert (await client.call_tool("list_models", {})).content
    books = Books.read(tmp_path).checked("the clock jumps", around.billed)
    assert (books.job.state, len(books.records)) == ("done", 1)


@pytest.mark.parametrize("jump", [-86_400 * 400, 86_400 * 400])
async def test_killed_after_the_clock_has_jumped(around: World, tmp_path: Path, jump: int) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    with anyio.fail_after(30):
        async with served(environ, clock=f"open:{jump}", kill="landed:before") as client:
            with pytest.raises(GONE):
                await client.call_tool(tool, asked)
    async with served(environ) as client:
        answered(await client.call_tool(tool, asked))
    books = Books.read(tmp_path).checked("the clock jumps, then kill -9", around.billed)
    assert len(books.records) == len(around.billed)
