"""Asked to end, the process first sees through what a vendor bills."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Environ, files_in
from tests.emulators.openai import OpenAI
from tests.emulators.server import Slow
from tests.server.process import CALL, SERVE, greet, hello, say, started
from tests.waiting import LONG, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def pictures(folder: Path) -> list[Path]:
    return [path for path in files_in(folder) if path.suffix == ".png"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_at_rest_ends_at_once(environ: Environ, number: signal.Signals) -> None:
    with started(environ) as process:
        say(process, hello("2025-11-25"))
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(LONG) == 128 + number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
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


def test_control_c_on_the_command_line_keeps_what_is_billed(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    openai.next(Slow(1))
    with started(with_openai, [*SERVE[:3], "generate", "a fox"]) as process:
        until(lambda: openai.requests)
        process.send_signal(signal.SIGINT)
        process.wait(LONG)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert len(pictures(tmp_path / "out")) == 1
