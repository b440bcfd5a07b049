"""The process dies at every step of the journal, and in the midst of a call; the next one finds what can be found."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from atelier.providers.budget import micro
from tests.conftest import Environ
from tests.emulators.server import Slow
from tests.faults.conftest import Vendor, tally
from tests.server.test_app import text

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")]

LAUNCHER = str(Path(__file__).with_name("launcher.py"))
ROOT = Path(__file__).parent.parent.parent

#        step         when      billed  stored  warned
STEPS = [
    ("open",       "before",  1, 1, False),
    ("open",       "after",   1, 1, False),
    ("sent",       "before",  1, 1, False),
    ("sent",       "after",   1, 1, True),   # nobody knows that it had not left yet
    ("note",       "before",  2, 1, True),   # the vendor's task is lost with the process
    ("note",       "after",   1, 1, False),
    ("landed",     "before",  1, 1, False),
    ("landed",     "after",   1, 1, False),
    ("settle",     "before",  1, 1, False),
    ("settle",     "after",   1, 1, False),
    ("finish",     "before",  1, 1, False),
    ("finish",     "after",   1, 1, False),
]  # fmt: skip
"""What two equal calls come to when the process of the first dies at the step: paid calls, pictures on the disk."""


async def asked(vendor: Vendor, environ: Environ, *launcher: str) -> Any:
    """One call through a process of its own; None when that died."""
    arguments = [LAUNCHER, *launcher] if launcher else ["-m", "atelier.server", "serve"]
    env = {**environ, **vendor.environ, "PYTHONPATH": str(ROOT)}
    parameters = StdioServerParameters(command=sys.executable, args=arguments, env=env, cwd=str(ROOT))
    try:
        async with Client(parameters) as client:
            return await client.call_tool("generate_image", {"prompt": "a fox", **vendor.asked})
    except Exception:
        if launcher:
            return None
        raise


def ledger(environ: Environ) -> list[tuple[str, int | None, int | None]]:
    with sqlite3.connect(Path(environ["ATELIER_STATE_DIR"]) / "journal.db") as connection:
        return connection.execute("SELECT state, reserved, spent FROM charges").fetchall()


def states(environ: Environ) -> set[str]:
    with sqlite3.connect(Path(environ["ATELIER_STATE_DIR"]) / "journal.db") as connection:
        return {state for (state,) in connection.execute("SELECT state FROM jobs")}


def pictures(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("img_*.*") if path.suffixes in ([".png"], [".jpg"], [".webp"])]


def books_are_true(vendor: Vendor, environ: Environ) -> None:
    charges = ledger(environ)
    settled = sum(spent or 0 for state, _, spent in charges if state == "settled")
    kept = sum(reserved or 0 for state, reserved, _ in charges if state == "unknown")
    assert settled <= sum(map(micro, vendor.proxy.billed)) <= settled + kept
    assert states(environ) <= {"done", "unknown", "cancelled"}


@pytest.mark.parametrize(
    ("step", "when", "billed", "stored", "warned"), STEPS, ids=[f"{when} {step}" for step, when, *_ in STEPS]
)
async def test_killed_at_a_step_nothing_is_lost_and_nothing_bought_twice_unasked(
    vendors: list[Vendor],
    environ: Environ,
    tmp_path: Path,
    step: str,
    when: str,
    billed: int,
    stored: int,
    warned: bool,
) -> None:
    vendor = vendors[1]  # the one that works by tasks comes by every step
    vendor.proxy.reset()
    assert await asked(vendor, environ, step, when) is None
    result = await asked(vendor, environ)
    assert not result.is_error, text(result)
    assert len(vendor.proxy.billed) == billed
    assert len(pictures(tmp_path)) == stored
    assert ("nobody knows what came of it" in text(result)) == warned
    books_are_true(vendor, environ)
    count = tally(f"SIGKILL {when} {step}")
    count.tried += 1
    count.billed += billed
    count.stored += stored
    count.unknown += int(warned)


@pytest.mark.parametrize(("when", "bought"), [("before", 1), ("after", 2)])
async def test_killed_as_the_answer_leaves(
    vendors: list[Vendor], environ: Environ, tmp_path: Path, when: str, bought: int
) -> None:
    """Before it is written that it left, it is collected again; after that, a person who asks again wants another."""
    vendor = vendors[1]
    vendor.proxy.reset()
    await asked(vendor, environ, "delivered", when)
    assert not (await asked(vendor, environ)).is_error
    assert len(vendor.proxy.billed) == len(pictures(tmp_path)) == bought
    books_are_true(vendor, environ)
    count = tally(f"SIGKILL {when} delivered")
    count.tried, count.billed, count.stored = 1, bought, bought


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_asked_to_end_the_process_first_stores_what_is_billed(
    vendors: list[Vendor], environ: Environ, tmp_path: Path, number: signal.Signals
) -> None:
    vendor = vendors[0]
    vendor.proxy.reset()
    vendor.proxy.next(Slow(1.5))
    env = {**environ, **vendor.environ, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "atelier.server", "generate", "a fox"]
    command += [part for name, value in vendor.asked.items() for part in (f"--{name}", value)]
    process = await anyio.open_process(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not vendor.proxy.requests:
        await anyio.sleep(0.02)
    process.send_signal(number)
    await process.wait()
    await process.aclose()
    assert len(pictures(tmp_path)) == 1
    assert [state for state, _, _ in ledger(environ)] == ["settled"]
    assert not (await asked(vendor, environ)).is_error
    assert len(vendor.proxy.billed) == 1  # the same call collects it
    count = tally(number.name)
    count.tried, count.billed, count.stored = 1, 1, 1


async def test_a_client_that_disconnects_finds_its_picture_when_it_comes_back(
    vendors: list[Vendor], environ: Environ, tmp_path: Path
) -> None:
    vendor = vendors[0]
    vendor.proxy.reset()
    vendor.proxy.next(Slow(1.0))
    env = {**environ, **vendor.environ}
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "atelier.server", "serve"], env=env)
    async with Client(parameters) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.call_tool, "generate_image", {"prompt": "a fox", **vendor.asked})
        while not vendor.proxy.requests:
            await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    result = await asked(vendor, environ)
    assert not result.is_error
    assert len(vendor.proxy.billed) == len(pictures(tmp_path)) == 1
    books_are_true(vendor, environ)
    count = tally("client disconnects")
    count.tried, count.billed, count.stored = 1, 1, 1
