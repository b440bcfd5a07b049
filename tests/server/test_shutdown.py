"""Asked to end, the process first sees through what a vendor bills."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held, Slow
from atelier.providers.testing.waiting import LONG, until
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive, sample
from tests.server.process import CALL, SERVE, greet, hello, say, started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


SIGNALS = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if sys.platform != "win32" else [])]
DRAW = [*SERVE[:3], "generate", "a fox"]


def pictures(folder: Path) -> list[Path]:
    return [path for path in files_in(folder) if path.suffix == ".png"]


@exhaustive
@pytest.mark.parametrize("number", sample(SIGNALS, [signal.SIGINT]))
def test_a_server_at_rest_ends_at_once(environ: Environ, number: signal.Signals) -> None:
    with started(environ) as process:
        say(process, hello("2025-11-25"))
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(LONG) == 128 + number


@pytest.mark.parametrize("number", sample(SIGNALS, [signal.SIGTERM]))
def test_a_server_that_is_still_starting_ends_at_once(environ: Environ, number: signal.Signals) -> None:
    environ["ATELIER_JWT_SECRET"] = "s" * 32
    with started(environ, [*SERVE, "--http", "--port", "0"], stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        assert any("http://127.0.0.1:" in line for line in process.stdout)
        process.send_signal(number)
        assert process.stdout.read() == ""
        assert process.wait(LONG) == 128 + number


def test_before_a_server_has_started_there_is_nothing_to_stop(environ: Environ) -> None:
    build_server(Settings.from_environ(environ)).stop_unsent()


@exhaustive
@pytest.mark.parametrize("number", sample(SIGNALS, [signal.SIGTERM]))
def test_a_server_at_work_first_stores_what_is_billed(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, number: signal.Signals
) -> None:
    openai.next(Slow(1))
    with started(with_openai) as process:
        greet(process)
        say(process, CALL)
        until(lambda: openai.requests)
        process.send_signal(number)
        assert process.wait(LONG) == 128 + number
    assert len(pictures(tmp_path / "out")) == 1


def test_a_host_that_closes_the_pipe_does_not_lose_the_picture(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(Slow(1))
    with started(with_openai) as process:
        say(process, hello("2025-11-25"))
        say(process, {"method": "notifications/initialized"})
        say(process, CALL)
        until(lambda: openai.requests)
        assert process.stdin is not None
        process.stdin.close()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)  # as hosts do when it does not end soon
        process.wait(LONG)
    assert len(pictures(tmp_path / "out")) == 1


@pytest.mark.parametrize("number", sample(SIGNALS, [signal.SIGINT]))
def test_a_command_that_is_asked_to_end_keeps_what_is_billed(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, number: signal.Signals
) -> None:
    openai.next(held := Held())
    with started(with_openai, DRAW) as process:
        held.wait()
        process.send_signal(number)
        assert process.stderr is not None
        assert any("Stopping." in line for line in process.stderr)
        held.go.set()
        assert process.wait(LONG) == 128 + number
        assert "Traceback" not in process.stderr.read()
    assert len(pictures(tmp_path / "out")) == 1


@exhaustive
def test_a_terminal_that_closes_says_so_more_than_once(with_openai: Environ, openai: OpenAI, tmp_path: Path) -> None:
    openai.next(held := Held())
    with started(with_openai, DRAW) as process:
        held.wait()
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        assert any("Stopping." in line for line in process.stderr)
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        held.go.set()
        assert process.wait(LONG) == 128 + signal.SIGHUP
    assert len(pictures(tmp_path / "out")) == 1


@exhaustive
def test_a_command_that_cannot_say_that_it_ends_keeps_what_is_billed(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(held := Held())
    with started(with_openai, DRAW) as process:
        held.wait()
        assert process.stderr is not None
        process.stderr.close()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        held.go.set()
        assert process.wait(LONG) == 128 + signal.SIGHUP
    assert len(pictures(tmp_path / "out")) == 1


@exhaustive
def test_who_is_to_outlive_the_terminal_does(with_openai: Environ, openai: OpenAI, tmp_path: Path) -> None:
    openai.next(held := Held())
    with started(with_openai, ["nohup", *DRAW]) as process:
        held.wait()
        process.send_signal(signal.SIGHUP)
        held.go.set()
        assert process.stdout is not None
        told = process.stdout.read()
        assert process.wait(LONG) == 0
    (picture,) = pictures(tmp_path / "out")
    assert str(picture) in told
