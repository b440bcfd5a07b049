"""The wheel of this checkout, in an environment that has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Wheel:
    """An environment with the wheel."""

    folder: Path

    @property
    def interpreter(self) -> Path:
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def install(self, *requirements: str | Path) -> None:
        _run("uv", "pip", "install", "--quiet", "--python", self.interpreter, *requirements)

    def python(self, *arguments: str | Path, cwd: Path, fails: bool = False) -> str:
        """The output of a program that has to succeed, or with `fails` may fail."""
        return _run(self.interpreter, *arguments, cwd=cwd, fails=fails)


def installed(folder: Path, *requirements: str | Path, extras: str = "") -> Wheel:
    """Build the wheel and install it, with other requirements, in an environment of its own; once for a folder."""
    wheel = Wheel(folder / "venv")
    if wheel.folder.exists():
        return wheel
    _run("uv", "build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT)
    (file,) = (folder / "dist").glob("*.whl")
    _run("uv", "venv", "--quiet", "--python", sys.executable, wheel.folder)
    wheel.install(f"atelier-mcp{extras} @ {file.as_uri()}", *requirements)
    return wheel


def _run(*command: str | Path, cwd: Path = ROOT, fails: bool = False) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert fails or done.returncode == 0, done.stdout + done.stderr
    return done.stdout
