"""Start the server as a host does, and exchange JSON-RPC lines with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from atelier.providers.testing.waiting import LONG
from tests.conftest import NO_FILES, Environ
from tests.leaks import check

SERVE = [sys.executable, "-m", "atelier.server", "serve"]

CALL = {"method": "tools/call", "id": 2, "params": {"name": "generate_image", "arguments": {"prompt": "a fox"}}}


def hello(revision: str) -> dict[str, Any]:
    client = {"name": "test", "version": "1"}
    return {
        "method": "initialize",
        "id": 1,
        "params": {"protocolVersion": revision, "capabilities": {}, "clientInfo": client},
    }


def like_a_host(environ: Environ) -> Environ:
    """Return the environment that hosts pass to a server, with the settings."""
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "SYSTEMROOT", "LANG", "TMPDIR")}
    return inherited | NO_FILES | environ


def started(
    environ: Environ, command: Sequence[str] = SERVE, stdin: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Start a process with pipes."""
    return subprocess.Popen(
        command,
        env=like_a_host(environ),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
    )


def say(process: subprocess.Popen[str], message: Mapping[str, object]) -> None:
    """Send one message as a line."""
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    process.stdin.flush()


def greet(process: subprocess.Popen[str]) -> None:
    """Perform the handshake of protocol 2025-11-25."""
    assert process.stdout is not None
    say(process, hello("2025-11-25"))
    process.stdout.readline()
    say(process, {"method": "notifications/initialized"})


def conversation(
    environ: Environ, *messages: dict[str, Any], command: Sequence[str] = SERVE
) -> tuple[dict[int, dict[str, Any]], str]:
    """Send the messages, wait for each answer, close stdin. Return the answers by id, and stderr.

    Fails when a line on stdout is not a protocol message.
    """
    answers = dict[int, dict[str, Any]]()
    with started(environ, command) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for message in messages:
            say(process, message)
            while message["id"] not in answers:
                answer = json.loads(process.stdout.readline())
                if "id" in answer:
                    answers[answer["id"]] = answer
            if message["method"] == "initialize":
                say(process, {"method": "notifications/initialized"})
        process.stdin.close()
        log = process.stderr.read()
        assert process.wait(LONG) == 0, log
    check(log, "stderr of the server")
    return answers, log
