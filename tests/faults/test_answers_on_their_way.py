"""Answers that a host does not read, reads slowly, or no longer wants: what they bear is not lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.waiting import LONG, until
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive, sample
from tests.faults.books import Books
from tests.faults.proxy import Held
from tests.faults.servers import by_hand
from tests.faults.world import World, arguments_for
from tests.server.process import like_a_host, say

SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe can be told on Linux alone")


@contextmanager
def unread(environ: Environ) -> Generator[subprocess.Popen[str]]:
    """A server whose host has a small pipe and does not read it."""
    import fcntl  # it is only there where the tests are

    with by_hand(environ) as process:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout.fileno(), SET_PIPE_SIZE, 4096)
        yield process


def arrived(process: subprocess.Popen[str]) -> str:
    """What came of a process that has ended."""
    assert process.stdout is not None
    process.wait(LONG)
    return process.stdout.read()


def asked(process: subprocess.Popen[str], id: int, tool: str, arguments: dict[str, Any]) -> None:
    say(process, {"method": "tools/call", "id": id, "params": {"name": tool, "arguments": arguments}})


def answer(process: subprocess.Popen[str], id: int) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        if message.get("id") == id:
            return message["result"]
    raise AssertionError("no answer")


def done(folder: Path) -> bool:
    return [job.state for job in Books.read(folder).jobs.values()] == ["done"]


def collected(environ: Environ, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The same call of another server's host."""
    with by_hand(environ) as process:
        asked(process, 3, tool, arguments)
        return answer(process, 3)["structuredContent"]


@exhaustive
@pytest.mark.parametrize("end", sample([signal.SIGKILL, signal.SIGTERM], [signal.SIGKILL]))
def test_an_answer_that_the_host_never_read_is_collected_by_the_next_call(
    around: World, tmp_path: Path, end: signal.Signals
) -> None:
    environ = around.environ(tmp_path)
    tool, arguments = arguments_for("openai", tmp_path, 2)
    with unread(environ) as process:
        asked(process, 2, tool, arguments)
        until(lambda: done(tmp_path))
        time.sleep(0.5)  # it is being written, as far as the pipe takes it
        process.send_signal(end)
        assert not arrived(process).endswith("\n"), "a host that never reads must not hold it up"
    books = Books.read(tmp_path)
    assert not books.job.delivered
    again = collected(environ, tool, arguments)
    assert {image["id"] for image in again["images"]} == {record["id"] for record in books.records}
    assert len(around.billed) == 1


@exhaustive
def test_a_host_that_reads_slowly_has_the_whole_answer_before_the_server_ends(around: World, tmp_path: Path) -> None:
    environ, held = around.environ(tmp_path), Held()
    around.proxy("openai").next("put", held)
    with unread(environ) as process:
        asked(process, 2, *arguments_for("openai", tmp_path, 2))
        held.wait()
        process.send_signal(signal.SIGTERM)
        held.go.set()
        until(lambda: done(tmp_path))
        time.sleep(0.3)
        whole = arrived_slowly(process)
        assert process.wait(LONG) == 128 + signal.SIGTERM
    assert json.loads(whole.splitlines()[-1])["result"]["structuredContent"]["status"] == "done"
    assert Books.read(tmp_path).job.delivered


def arrived_slowly(process: subprocess.Popen[str]) -> bytes:
    """What comes, piece by piece."""
    assert process.stdout is not None
    parts = list[bytes]()
    while part := os.read(process.stdout.fileno(), 4096):
        parts.append(part)
        time.sleep(0.01)
    return b"".join(parts)


@exhaustive
def test_what_the_command_line_cannot_tell_is_told_by_the_same_command(around: World, tmp_path: Path) -> None:
    environ = around.environ(tmp_path)
    command = [sys.executable, "-m", "atelier.server", "generate", "a fox", "--model", "flux-2-pro"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        failed = subprocess.run(
            command, env=like_a_host(environ), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert failed.returncode == 1
    assert "stdout cannot be written" in failed.stderr
    assert "Traceback" not in failed.stderr
    books = Books.read(tmp_path)
    assert not books.job.delivered
    told = subprocess.run(command, env=like_a_host(environ), capture_output=True, text=True, timeout=60, check=True)
    assert books.records[0]["id"] in told.stdout
    assert len(around.billed) == 1
    assert Books.read(tmp_path).job.delivered


CANCELLED = 60  # calls, each cancelled somewhere around the moment in which its answer is made


@exhaustive
def test_inline_images_are_answered_or_stay_stored_whenever_their_caller_goes(around: World, tmp_path: Path) -> None:
    environ, dice, held = around.environ(tmp_path), random.Random(5), Held()
    around.proxy("openai").next("put", held)  # the first goes while the vendor works
    _, arguments = arguments_for("openai", tmp_path, 3)
    answers = dict[int, dict[str, Any]]()
    with by_hand(environ) as process:
        assert process.stdout is not None
        lines = process.stdout

        def read() -> None:
            for line in lines:
                message = json.loads(line)
                answers[message.get("id", 0)] = message

        threading.Thread(target=read, daemon=True).start()
        for number in range(100, 100 + CANCELLED):
            paid = len(around.billed)
            asked(process, number, "generate_image", {**arguments, "prompt": f"fox {number}", "save": False})
            until(lambda paid=paid: len(around.billed) > paid)
            time.sleep(dice.expovariate(50))
            say(process, {"method": "notifications/cancelled", "params": {"requestId": number}})
            if not held.go.is_set():
                time.sleep(0.3)  # until the server has heard of it
                held.go.set()
        until(lambda: [job.state for job in Books.read(tmp_path).jobs.values()] == ["done"] * CANCELLED)
    answered = sum("result" in message for id, message in answers.items() if id >= 100)

    def undelivered() -> int:
        return sum(not job.delivered for job in Books.read(tmp_path).jobs.values())

    until(lambda: len([path for path in files_in(tmp_path / "out") if path.suffix == ".png"]) == 3 * undelivered())
    assert CANCELLED - undelivered() <= answered, "an image that was paid for was deleted without its answer"
    assert len(around.billed) == CANCELLED


@exhaustive
def test_inline_images_stay_stored_when_their_caller_goes_while_the_answer_is_made(
    around: World, tmp_path: Path
) -> None:
    environ, held = around.environ(tmp_path), Held()
    around.proxy("openai").next("put", held)
    tool, arguments = arguments_for("openai", tmp_path, 3)
    arguments["save"] = False
    with by_hand(environ, answer="1") as process:
        asked(process, 2, tool, arguments)
        held.wait()
        held.go.set()
        until(lambda: {charge.state for charge in Books.read(tmp_path).charges} == {"settled"})
        time.sleep(0.3)
        say(process, {"method": "notifications/cancelled", "params": {"requestId": 2}})
        until(lambda: done(tmp_path))
        books = Books.read(tmp_path).checked("cancelled while the answer was made", around.billed)
        assert len(books.records) == 3
        asked(process, 3, tool, arguments)
        again = answer(process, 3)["structuredContent"]
    assert len(books.records) == len(again["images"]) == 3
    assert not any("id" in image for image in again["images"]), again["images"]
    assert len(around.billed) == 1


@exhaustive
def test_inline_images_whose_answer_is_never_read_stay_stored(around: World, tmp_path: Path) -> None:
    environ = around.environ(tmp_path)
    tool, arguments = arguments_for("openai", tmp_path, 3)
    arguments["save"] = False
    with unread(environ) as process:
        asked(process, 2, tool, arguments)
        until(lambda: done(tmp_path))
        process.kill()
    books = Books.read(tmp_path).checked("an answer with pictures in hand, never read", around.billed)
    assert not books.job.delivered
    again = collected(environ, tool, arguments)
    assert len(books.records) == len(again["images"]) == 3
    assert not any("id" in image for image in again["images"]), again["images"]
    assert len(around.billed) == 1
