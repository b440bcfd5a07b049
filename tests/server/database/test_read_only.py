"""A journal that may be read and not written, such as a copy on a read-only disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from atelier.server.database.jobs import SqlJobStore
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive
from tests.server.database.test_jobs import journal_at, opened
from tests.server.process import like_a_host

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions"),
]

NOBODY = 65_534

RUNS = f"""
import os, sys, tomllib  # loaded first: the interpreter's own files may be unreadable for that user
import atelier.server.cli.entry, atelier.server.composition, atelier.server.database.jobs  # which `main` imports later
import atelier.server.cli.making.generate, atelier.server.cli.account.jobs, atelier.server.cli.account.spend
from atelier.server.main import main
if os.getuid() == 0:  # whom no permission stops
    os.setgid({NOBODY})
    os.setuid({NOBODY})
main(sys.argv[1:])
"""


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that anybody may read."""
    folder = Path(tempfile.mkdtemp(prefix="atelier-state-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


async def one_job(state: Path) -> SqlJobStore:
    journal = journal_at(state)
    await opened(journal, "job_a")
    await journal.mark_sent("chg_job_a")
    return journal


def only_to_read(state: Path) -> None:
    for path in files_in(state):
        path.chmod(0o444)
    state.chmod(0o555)


def atelier(state: Path, *arguments: str, **more: str) -> tuple[int, str]:
    """A command of somebody who may not write there: its exit code and what it said."""
    environ: Environ = {**like_a_host({}), "ATELIER_STATE_DIR": str(state), **more}
    command = [sys.executable, "-c", RUNS, *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@exhaustive
async def test_jobs_and_spend_are_refused_with_what_to_do_and_nothing_is_written(state: Path) -> None:
    await (await one_job(state)).aclose()
    only_to_read(state)
    before = [path.name for path in state.iterdir()]
    for command in ("jobs", "spend"):
        code, said = atelier(state, command)
        assert (code, "Traceback" in said) == (1, False), said
        assert f"The database {state / 'journal.db'} cannot be used (Permission denied)." in said
        assert "set ATELIER_STATE_DIR to a folder that can be written" in said
    assert [path.name for path in state.iterdir()] == before


async def test_what_costs_something_is_refused_with_what_to_do(state: Path, tmp_path: Path) -> None:
    await (await one_job(state)).aclose()
    only_to_read(state)
    code, said = atelier(
        state, "generate", "a fox", "--model", "openai", ATELIER_OUTPUT_DIR=str(tmp_path), OPENAI_API_KEY="k"
    )
    assert (code, "set ATELIER_STATE_DIR to a folder that can be written" in said) == (1, True), said
