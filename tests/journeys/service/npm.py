"""Programs from npm that tests run, each installed once into pytest's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock


def needed(command: str, why: str) -> str:
    """Return the path of a command; skips the test only where there is none, and never in CI."""
    found = shutil.which(command)
    if found is None:
        assert not os.environ.get("CI"), why
        pytest.skip(f"{command} is not installed")
    return found


def installed(package: str, config: pytest.Config) -> Path:
    """Return the package.json of the folder where a package of npm is installed, as in `openai@6.49.0`."""
    npm = needed("npm", f"{package} has to be tried here")
    folder = config.cache.mkdir(package.replace("@", "-")) if config.cache else Path()
    name, _, _ = package.rpartition("@")
    with FileLock(folder / "lock"):
        if not (folder / f"node_modules/{name}/package.json").exists():
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", package]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "package.json"
