"""The protocol's official conformance suite against the real process, whose server object has the suite's fixtures."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.exhaustive import exhaustive
from tests.hosts.suite_server import SESSIONS, SHIPPED
from tests.npm import clean_environ, installed, node
from tests.server.http_process import serving

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"  # 0.1.16, the newest without a suffix, ends with 2025-11-25

NEEDS_SESSIONS = [
    "tools-call-sampling",
    "tools-call-elicitation",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
    "server-sse-multiple-streams",  # it only warns that there is no session
]
"""Scenarios of 2025-11-25 that need sessions, mostly for requests of the server to the client."""

CASES: list[tuple[str, str, list[str]]] = [
    ("2025-11-25", SESSIONS, []),
    ("2025-11-25", SHIPPED, NEEDS_SESSIONS),
    ("2026-07-28", SHIPPED, []),
]


@exhaustive
@pytest.mark.parametrize(("revision", "mode", "failing"), CASES)
def test_the_server_meets_the_requirements_of_a_revision(
    revision: str, mode: str, failing: list[str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    program = installed(SUITE, request.config).parent / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
    expected = tmp_path / "expected.yml"
    expected.write_text("server:" + "".join(f"\n  - {name}" for name in failing) if failing else "server: []")
    environ = {"ATELIER_OUTPUT_DIR": str(tmp_path / "out"), "ATELIER_STATE_DIR": str(tmp_path / "state")}
    with serving(environ, program=("-m", "tests.hosts.suite_server", mode)) as running:
        command = [str(node()), str(program), "server", "--url", f"{running.url}/mcp", "--requirements", revision]
        command += ["--expected-failures", str(expected), "-o", str(tmp_path / "results")]
        run = partial(subprocess.run, command, env=clean_environ(), capture_output=True, text=True, check=False)
        if (done := run()).returncode != 0:  # it waits half a second for some answers, and a machine may be busy
            done = run()
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert done.stdout.count(": 2 passed") > 10  # the suite did run
