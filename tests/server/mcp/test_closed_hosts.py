"""A host that goes, whichever way: what is paid for is finished and stored, and the server ends by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import LONG, until
from tests.conftest import Environ
from tests.exhaustive import exhaustive, sample
from tests.server.mcp.test_delivered_answers import answer, jobs, served, stuck
from tests.server.process import SERVE, hello, like_a_host, say, started
from tests.server.test_shutdown import pictures

linux = pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe can be set on Linux only")
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")

SAVED = pytest.mark.parametrize("save", sample([True, False], [True], id=lambda save: "saved" if save else "in hand"))
SAVED_AND_STDIN = pytest.mark.parametrize(
    ("save", "stays"),
    sample(
        [(True, True), (True, False), (False, True), (False, False)],
        [(False, False)],
        id=lambda case: f"{'saved' if case[0] else 'in hand'}, stdin {'stays open' if case[1] else 'is closed'}",
    ),
)


def asked(prompt: str, *, id: int = 2, save: bool = True) -> dict[str, Any]:
    arguments = {"prompt": prompt, "model": "openai", "save": save}
    return {"method": "tools/call", "id": id, "params": {"name": "generate_image", "arguments": arguments}}


@contextmanager
def greeted(environ: Environ) -> Generator[subprocess.Popen[str]]:
    """A server after its handshake."""
    with started(environ) as process:
        try:
            say(process, hello("2025-11-25"))
            answer(process, 1)
            say(process, {"method": "notifications/initialized"})
            yield process
        finally:
            process.kill()


def gone(process: subprocess.Popen[str], *, stays: bool) -> None:
    """The host closes the pipe that it reads from, and the other as well unless it stays."""
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.close()
    if not stays:
        process.stdin.close()


def ended(process: subprocess.Popen[str], code: int = 0) -> None:
    """It ends by itself, and finds nothing wrong with that."""
    assert process.stderr is not None
    assert process.wait(LONG) == code
    assert "Traceback" not in process.stderr.read()


def collected(environ: Environ, prompt: str, *, save: bool) -> str | None:
    """The id of the image that the same call of the next host gets; None of one that is inline."""
    with greeted(environ) as process:
        say(process, asked(prompt, save=save))
        (image,) = answer(process, 2)["structuredContent"]["images"]
        return image.get("id")


@exhaustive
@SAVED_AND_STDIN
def test_a_host_that_goes_while_the_vendor_works_finds_its_picture_when_it_comes_back(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, *, save: bool, stays: bool
) -> None:
    openai.next(held := Held())
    with greeted(with_openai) as process:
        say(process, asked("a fox", save=save))
        held.wait()
        gone(process, stays=stays)
        held.go.set()
        ended(process)
    assert jobs(tmp_path) == [("done", 0)]
    (picture,) = pictures(tmp_path / "out")
    assert collected(with_openai, "a fox", save=save) == (picture.stem if save else None)
    assert len(openai.requests) == 1


@exhaustive
@linux
@SAVED_AND_STDIN
def test_a_host_that_goes_in_the_middle_of_an_answer_finds_its_picture_when_it_comes_back(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, *, save: bool, stays: bool
) -> None:
    with served(with_openai) as process:
        say(process, asked("a fox", save=save))
        until(lambda: stuck(process))
        assert process.stdout is not None
        os.read(process.stdout.fileno(), 1000)
        gone(process, stays=stays)
        ended(process)
    assert jobs(tmp_path) == [("done", 0)]
    (picture,) = pictures(tmp_path / "out")
    assert collected(with_openai, "a fox", save=save) == (picture.stem if save else None)
    assert len(openai.requests) == 1


@exhaustive
def test_a_host_that_goes_has_its_other_pictures_finished_and_written_down(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(first := Held(), second := Held())
    with greeted(with_openai) as process:
        say(process, asked("a fox"))
        first.wait()
        say(process, asked("an owl", id=3))
        second.wait()
        gone(process, stays=True)
        first.go.set()
        until(lambda: sorted(jobs(tmp_path)) == [("done", 0), ("running", 0)])
        second.go.set()
        ended(process)
    assert jobs(tmp_path) == [("done", 0), ("done", 0)]
    assert len(pictures(tmp_path / "out")) == 2


@exhaustive
def test_what_was_not_sent_when_the_host_went_is_not_bought(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(held := Held(), Held())
    with greeted(with_openai | {"ATELIER_CONCURRENCY": "1"}) as process:
        say(process, asked("a fox"))
        held.wait()
        say(process, asked("an owl", id=3))
        until(lambda: len(jobs(tmp_path)) == 2)
        gone(process, stays=True)
        say(process, {"method": "ping", "id": 4})  # to which the answer breaks the pipe
        until(lambda: jobs(tmp_path) == [("running", 0), ("cancelled", 0)])
        held.go.set()
        ended(process)
    assert jobs(tmp_path) == [("done", 0), ("cancelled", 0)]
    assert len(openai.requests) == 1


@exhaustive
@linux
@SAVED
def test_a_host_that_closes_stdin_and_does_not_read_does_not_hold_up_the_end(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, *, save: bool
) -> None:
    with served(with_openai) as process:
        say(process, asked("a fox", save=save))
        until(lambda: stuck(process))
        assert process.stdin is not None
        process.stdin.close()
        ended(process)
    assert jobs(tmp_path) == [("done", 0)]
    (picture,) = pictures(tmp_path / "out")
    assert collected(with_openai, "a fox", save=save) == (picture.stem if save else None)
    assert len(openai.requests) == 1


@exhaustive
@posix
@SAVED
@pytest.mark.parametrize("hangs_up", sample([True, False], [True], id=lambda up: "with SIGHUP" if up else "without"))
def test_a_terminal_that_closes_under_a_server_does_not_lose_the_picture(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, *, hangs_up: bool, save: bool
) -> None:
    pty = pytest.importorskip("pty")
    keyboard, stdin = pty.openpty()
    openai.next(held := Held())
    with started(with_openai, stdin=stdin) as process:
        os.close(stdin)
        with os.fdopen(keyboard, "w", encoding="utf-8") as process.stdin:
            say(process, hello("2025-11-25"))
            answer(process, 1)
            say(process, {"method": "notifications/initialized"})
            say(process, asked("a fox", save=save))
            held.wait()
            if hangs_up:
                process.send_signal(signal.SIGHUP)
        process.stdin = None
        held.go.set()
        ended(process, 128 + signal.SIGHUP if hangs_up else 0)
    assert len(pictures(tmp_path / "out")) == 1
    assert [state for state, _ in jobs(tmp_path)] == ["done"]


@exhaustive
def test_a_command_whose_stdout_was_closed_says_so_and_is_told_its_picture_the_next_time(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    closed = f"import os, sys\nos.close(1)\nos.execv(sys.executable, {[*SERVE[:3], 'generate', 'a fox']})"
    process = subprocess.run(
        [sys.executable, "-c", closed], env=like_a_host(with_openai), capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert "stdout cannot be written" in process.stderr
    assert "Traceback" not in process.stderr
    assert jobs(tmp_path) == [("done", 0)]
    again = [*SERVE[:3], "generate", "a fox"]
    told = subprocess.run(again, env=like_a_host(with_openai), capture_output=True, text=True, check=True)
    (picture,) = pictures(tmp_path / "out")
    assert str(picture) in told.stdout
    assert jobs(tmp_path) == [("done", 1)]
    assert len(openai.requests) == 1
