"""Answers over stdio that a narrow pipe holds up: those of tasks, and those of a server that is asked to end."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Slow
from atelier.providers.testing.waiting import LONG, until
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.process import CALL, greet, say, started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe can be set on Linux only")

fcntl = pytest.importorskip("fcntl", reason="Windows has none")

NARROW = 4096
"""Bytes that a pipe holds: fewer than an answer with a picture has."""

MODERN: Mapping[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
}
"""What every request of a client says that takes tasks."""


@contextmanager
def served(environ: Environ, *, modern: bool = False) -> Generator[subprocess.Popen[str]]:
    """A server whose answers fit into its pipe only while somebody reads."""
    with started(environ) as process:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, NARROW)
        try:
            if not modern:
                greet(process)
            yield process
        finally:
            process.kill()


LATE = (
    "import anyio, sys\n"
    "flush = anyio.AsyncFile.flush\n"
    "async def late(file):\n"
    "    await flush(file)\n"
    "    await anyio.sleep(0.5)\n"
    "anyio.AsyncFile.flush = late\n"
    "from atelier.server.main import main\n"
    "sys.argv[:] = ['atelier', 'serve']\n"
    "main()"
)
"""The server, which hears late that a line is written."""


def answer(process: subprocess.Popen[str], id: int) -> dict[str, Any]:
    assert process.stdout is not None
    while (told := json.loads(process.stdout.readline())).get("id") != id:
        pass
    return told["result"]


def jobs(folder: Path) -> list[tuple[str, int]]:
    """State and delivery of every job."""
    if not (folder / "state" / "journal.db").exists():
        return []
    with closing(sqlite3.connect(folder / "state" / "journal.db")) as journal:
        if not journal.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone():
            return []
        return journal.execute("SELECT state, delivered_at IS NOT NULL FROM jobs ORDER BY created_at").fetchall()


def stuck(process: subprocess.Popen[str]) -> bool:
    """Whether the pipe is full."""
    assert process.stdout is not None
    told = bytearray(4)
    fcntl.ioctl(process.stdout.fileno(), 0x541B, told)  # FIONREAD: how many bytes wait in it
    return int.from_bytes(told, sys.byteorder) == NARROW


@exhaustive
def test_a_task_whose_result_was_not_read_is_not_delivered(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(Slow(2.5))
    with served(with_openai, modern=True) as process:
        say(process, {**CALL, "params": {"name": "generate_image", "arguments": {"prompt": "a fox"}, "_meta": MODERN}})
        task = answer(process, 2)["taskId"]
        until(lambda: jobs(tmp_path) == [("done", 0)])
        question = {"method": "tasks/get", "params": {"taskId": task, "_meta": MODERN}}
        say(process, {**question, "id": 3})
        until(lambda: stuck(process))
        time.sleep(0.3)
        assert jobs(tmp_path) == [("done", 0)]
        assert answer(process, 3)["status"] == "completed"
        until(lambda: jobs(tmp_path) == [("done", 1)])


@exhaustive
def test_asked_to_end_it_does_not_wait_long_for_a_host_that_does_not_read(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(Slow(1))
    with served(with_openai) as process:
        say(process, CALL)
        until(lambda: len(openai.requests) == 1)
        process.send_signal(signal.SIGTERM)
        until(lambda: stuck(process))
        assert process.wait(LONG) == 128 + signal.SIGTERM
    assert jobs(tmp_path) == [("done", 0)]


@exhaustive
def test_a_call_that_comes_while_the_last_answers_leave_is_seen_through(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    with served(with_openai) as process:
        say(process, CALL)
        until(lambda: stuck(process))
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        openai.next(Slow(3))  # longer than answers are waited for
        say(process, {**CALL, "id": 3, "params": {"name": "generate_image", "arguments": {"prompt": "an owl"}}})
        assert process.wait(LONG) == 128 + signal.SIGTERM
    assert len(openai.requests) == 2
    assert jobs(tmp_path) == [("done", 0), ("done", 0)]


@exhaustive
def test_answers_do_not_run_into_each_other(with_openai: Environ, openai: OpenAI) -> None:
    with served(with_openai) as process:
        for id in range(2, 8):
            params = {"name": "generate_image", "arguments": {"prompt": f"fox {id}"}}
            say(process, {"method": "tools/call", "id": id, "params": params})
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline()) for _ in range(6)]
    assert {each["id"] for each in told} == set(range(2, 8))


@exhaustive
def test_an_id_that_a_host_uses_twice_at_once_is_answered_twice(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(Slow(1), Slow(1))
    with served(with_openai) as process:
        for prompt in ("a fox", "an owl"):
            say(process, {**CALL, "params": {"name": "generate_image", "arguments": {"prompt": prompt}}})
        assert {answer(process, 2)["structuredContent"]["status"] for _ in range(2)} == {"done"}
        until(lambda: jobs(tmp_path) == [("done", 1), ("done", 1)])


@exhaustive
def test_a_host_that_leaves_the_moment_it_has_its_answer_has_been_delivered_it(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    with started(with_openai, [sys.executable, "-c", LATE]) as process:
        greet(process)
        say(process, CALL)
        assert answer(process, 2)["structuredContent"]["status"] == "done"
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.close()
        assert process.wait(LONG) == 0
        assert "Traceback" not in process.stderr.read()
    assert jobs(tmp_path) == [("done", 1)]


@exhaustive
def test_a_host_that_asks_again_the_moment_it_has_its_answer_gets_another_picture(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    with started(with_openai, [sys.executable, "-c", LATE]) as process:
        try:
            greet(process)
            say(process, CALL)
            first = answer(process, 2)["structuredContent"]["images"][0]["id"]
            say(process, {**CALL, "id": 3})
            assert answer(process, 3)["structuredContent"]["images"][0]["id"] != first
        finally:
            process.kill()
    assert len(openai.requests) == 2
