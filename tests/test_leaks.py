"""The watch that fails a test in which a secret shows up, against leaks on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exhaustive import exhaustive

LEAKS = {
    "log": "logging.getLogger('atelier').warning('listening', extra={'facts': {'key': KEY}})",
    "library": "logging.getLogger('httpx2').warning('sent %s', KEY)",
    "message": "ImageError(Reason.INTERNAL, f'it is {KEY}')",
    "hint": "ImageError(Reason.INTERNAL, 'no').hint += KEY",
    "facts": "ImageError(Reason.INTERNAL, 'no').facts['url'] = [KEY]",
    "process": "subprocess.run([sys.executable, '-c', f'import os; os.write(2, {KEY.encode()})'], capture_output=True)",
    "stderr": "os.write(2, KEY.encode())",
}

HEADER = """
import logging, os, subprocess, sys
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.testing.emulators.openai import KEY

def test_clean():
    logging.getLogger('atelier').warning('listening')
    ImageError(Reason.INTERNAL, 'no')

"""


@exhaustive
def test_each_way_to_leak_a_key_fails_the_test_in_which_it_happens(tmp_path: Path) -> None:
    tests = [f"def test_{name}():\n    {leak}\n" for name, leak in LEAKS.items()]
    file = tmp_path / "test_leaking.py"
    file.write_text(HEADER + "\n".join(tests))
    root = Path(__file__).parents[1]
    options = [
        "-p",
        "tests.leaks",
        "-p",
        "no:cacheprovider",
        "-n",
        "0",
        f"--rootdir={root}",
        f"-c={root / 'pyproject.toml'}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", *options, str(file)],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = [line.split()[:2] for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED", "ERROR "))]
    bad = {test.rpartition("::")[2].removeprefix("test_") for word, test in told if word != "PASSED"}
    assert bad == LEAKS.keys(), done.stdout


@pytest.mark.parametrize("text", ["nothing", None, b"nothing"])
def test_other_text_is_no_leak(text: str | bytes | None) -> None:
    from tests.leaks import check

    check(text, "here")
