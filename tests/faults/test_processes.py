"""Real servers over stdio that are killed, ended, left alone, out of space and out of time; and the next one's work."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from itertools import product
from pathlib import Path

import anyio
import pytest
from mcp.client import Client

from atelier.providers.testing.waiting import LONG
from tests.exhaustive import exhaustive, sample
from tests.faults.books import Books
from tests.faults.launcher import STEPS
from tests.faults.proxy import Held
from tests.faults.servers import GONE, answered, at_rest, by_hand, killed_at, served
from tests.faults.world import World, arguments_for
from tests.server.process import say

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signals"),
]


def expected(vendor: str, step: str, when: str) -> tuple[str | None, int]:
    """In what state the job is to end, and how many of its pictures are to be stored."""
    at = STEPS.index(step) + (when == "after")
    if at == 0:
        return None, 0
    if at == 1:
        return "cancelled", 0
    if at == 2 or (step, when) == ("mark_sent", "before"):
        return ("unknown" if (step, when) != ("mark_sent", "before") else "cancelled"), 0
    if (step, when) == ("save_vendor_task", "before"):
        return "unknown", 0
    return "done", 2 if vendor == "openai" else 1


KILLS = [
    (vendor, step, when)
    for vendor in ("openai", "flux", "relight")
    for step in STEPS
    for when in ("before", "after")
    if step
    in {"openai": {*STEPS} - {"save_vendor_task"}, "flux": {*STEPS[1:5]}, "relight": {"save_vendor_task", "add_asset"}}[
        vendor
    ]
]
FAST_KILLS = (
    ("openai", "mark_sent", "after"),  # sent, without a name by which to collect it
    ("flux", "save_vendor_task", "after"),  # the vendor has it and hands it out
    ("openai", "settle_call", "before"),  # stored, the bill is open
)
"""Those whose vendor has billed, or may have: sent, at the vendor as a task, stored."""


@pytest.mark.parametrize(("vendor", "step", "when"), sample(KILLS, FAST_KILLS))
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
    collected = state == "done" and (step, when) != ("mark_delivered", "after")
    assert len(around.billed) == paid + (not collected)
    warned = [warning for warning in again.get("warnings", []) if books.jobs and books.job.id in warning]
    assert bool(warned) == (state == "unknown")
    if collected:
        assert {image["id"] for image in again["images"]} == {record["id"] for record in books.records}
        assert all(Path(image["path"]).is_file() for image in again["images"]), again["images"]
    Books.read(tmp_path).checked(f"{label}, then the same call", around.billed)


@pytest.mark.parametrize(("step", "when"), sample(product(STEPS, ("before", "after")), []))
async def test_asked_to_end_at_a_step_of_the_journal(around: World, tmp_path: Path, step: str, when: str) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    with anyio.fail_after(LONG):
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


@exhaustive
async def test_two_servers_side_by_side_take_up_what_a_third_left(around: World, tmp_path: Path) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    await killed_at(environ, "save_vendor_task", "after", tool, asked)
    ids = list[str]()
    async with served(environ) as one, served(environ) as other, anyio.create_task_group() as tasks:

        async def collected(client: Client) -> None:
            ids.append(answered(await client.call_tool(tool, asked))["images"][0]["id"])

        for client in (one, other):  # once both have opened the job store, they look into it at the same time
            await client.call_tool("get_image", {"id": "job_00000000000000000000000000"})
        tasks.start_soon(collected, one)
        tasks.start_soon(collected, other)
    assert len(set(ids)) == 1
    Books.read(tmp_path).checked("kill -9, then two servers at once", around.billed)
    assert len(around.billed) == 1


ENDS = ("client disconnects", "SIGTERM", "SIGINT", "cancelled, then SIGTERM")


@pytest.mark.parametrize(
    ("vendor", "end"),
    sample(product(("openai", "flux"), ENDS), [("openai", "client disconnects")]),
)
async def test_what_was_sent_is_seen_through_and_collected(
    around: World, tmp_path: Path, vendor: str, end: str
) -> None:
    environ, held = around.environ(tmp_path), Held()
    around.proxy(vendor).next("put", held)
    tool, asked = arguments_for(vendor, tmp_path)
    with by_hand(environ) as process:
        say(process, {"method": "tools/call", "id": 2, "params": {"name": tool, "arguments": asked}})
        await held.arrival()
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
        await anyio.to_thread.run_sync(process.wait, LONG)
    books = Books.read(tmp_path).checked(end, around.billed)
    assert (books.job.state, len(books.records)) == ("done", 1)
    async with served(environ) as client:
        again = answered(await client.call_tool(tool, asked))
    assert len(around.billed) == (1 if not books.job.delivered else 2)
    assert (again["images"][0]["id"] == books.records[0]["id"]) == (not books.job.delivered)
    Books.read(tmp_path).checked(f"{end}, then the same call", around.billed)


@exhaustive
async def test_a_picture_that_the_disk_does_not_take_is_handed_over(around: World, tmp_path: Path) -> None:
    environ = around.environ(tmp_path, ATELIER_WAIT_SECONDS="20")
    tool, asked = arguments_for("openai", tmp_path)
    async with served(environ, disk="pictures") as client:
        result = await client.call_tool(tool, asked)
    assert not result.is_error
    assert "Not stored" in str(result.content[0])
    assert any(block.type == "image" for block in result.content), result.content
    books = Books.read(tmp_path).checked("the pictures' disk is full", around.billed, unkept=True)
    assert books.job.state == "done"


@exhaustive
@pytest.mark.parametrize(
    "step",
    sample(["open_job", "mark_sent", "save_vendor_task", "settle_call", "finish_job"], ["settle_call"]),
)
async def test_a_journal_whose_disk_is_full(around: World, tmp_path: Path, step: str) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    async with served(environ, full=f"{step}:") as client:
        result = await client.call_tool(tool, asked)
    assert result.is_error == (step in ("open_job", "mark_sent"))
    assert len(around.billed) == (step not in ("open_job", "mark_sent"))
    async with served(environ) as client:
        answered(await client.call_tool(tool, asked))
    Books.read(tmp_path).checked(f"the journal's disk is full from {step} on", around.billed)


@exhaustive
@pytest.mark.parametrize(
    "step", sample(["save_vendor_task", "add_asset", "settle_call", "finish_job", "mark_delivered"], ["settle_call"])
)
async def test_a_journal_whose_disk_is_full_for_a_moment(around: World, tmp_path: Path, step: str) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    async with served(environ, full=f"{step}:1") as client:
        answered(await client.call_tool(tool, asked))
        answered(await client.call_tool(tool, asked))
    Books.read(tmp_path).checked(f"the journal's disk is full for a moment, at {step}", around.billed)


@exhaustive
@pytest.mark.parametrize("jump", sample([-86_400 * 400, 86_400 * 400], [86_400 * 400]))
async def test_a_clock_that_jumps(around: World, tmp_path: Path, jump: int) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    async with served(environ, clock=f"mark_sent:{jump}") as client:
        answered(await client.call_tool(tool, asked))
        assert (await client.call_tool("list_models", {})).content
    books = Books.read(tmp_path).checked("the clock jumps", around.billed)
    assert (books.job.state, len(books.records)) == ("done", 1)


@pytest.mark.parametrize("jump", sample([-86_400 * 400, 86_400 * 400], []))
async def test_killed_after_the_clock_has_jumped(around: World, tmp_path: Path, jump: int) -> None:
    environ = around.environ(tmp_path)
    tool, asked = arguments_for("flux", tmp_path)
    with anyio.fail_after(LONG):
        async with served(environ, clock=f"open_job:{jump}", kill="add_asset:before") as client:
            with pytest.raises(GONE):
                await client.call_tool(tool, asked)
    async with served(environ) as client:
        answered(await client.call_tool(tool, asked))
    books = Books.read(tmp_path).checked("the clock jumps, then kill -9", around.billed)
    assert len(books.records) == len(around.billed)
