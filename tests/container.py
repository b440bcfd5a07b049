"""Follows the steps of deploy/Dockerfile in a scratch folder, where there is no container runtime.

uv run python -m tests.container     builds the image's files, starts its command and runs its health check

Each absolute path of the file is a folder below the scratch folder. What runs has no capabilities and may not write
where the image's user may not, as with `read_only` and `cap_drop` of deploy/compose.yaml.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL

from tests.npm import clean_environ

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "deploy/Dockerfile"
NOT_HERE = ("pip install ", "useradd ")
"""What this machine has already, or must not get."""

PORT = "8000"
START_SECONDS = 60
CONFINED = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")


NOTHING: Mapping[str, str] = {}


@dataclass
class Image:
    """The files of a built image, and how it is run."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])
    command: list[str] = field(default_factory=list[str])
    health: list[str] = field(default_factory=list[str])
    user: str = "root"

    def run(
        self, command: list[str], port: int, environ: Mapping[str, str] = NOTHING, *, quiet: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a command of the image with its port on loopback."""
        own = clean_environ() | self.environ | {"HOME": str(self.folder / "nobody"), **environ}
        parts = [part.replace(PORT, str(port)).replace("0.0.0.0", "127.0.0.1") for part in command]
        parts[0] = shutil.which(parts[0], path=own["PATH"]) or parts[0]
        confined = CONFINED if shutil.which(CONFINED[0]) and os.geteuid() == 0 else ()
        return subprocess.Popen([*confined, *parts], env=own, cwd=self.folder, stderr=DEVNULL if quiet else None)


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def build(folder: Path) -> Image:
    """Follow the instructions; the last stage is the image."""
    image, workdir = Image(folder), folder
    for name, rest in instructions():
        match name:
            case "FROM":
                image, workdir = Image(folder), folder
            case "WORKDIR":
                workdir = Path(below(rest, folder))
                workdir.mkdir(parents=True)
            case "ENV":
                pairs = shlex.split(below(rest, folder).replace("$PATH", os.environ["PATH"]))
                image.environ |= dict(pair.split("=", 1) for pair in pairs)
            case "COPY":
                copy(shlex.split(rest), workdir)
            case "RUN":
                run(rest, image, workdir, folder)
            case "CMD":
                image.command = json.loads(rest)
            case "HEALTHCHECK":
                image.health = json.loads(rest.partition(" CMD ")[2])
            case "USER":
                image.user = rest
            case _:
                assert name in ("VOLUME", "EXPOSE", "STOPSIGNAL"), f"{name} is not followed here"
    (folder / "app").chmod(0o555)
    for path in (folder / "app").rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    return image


def below(text: str, folder: Path) -> str:
    """Return a text with its absolute paths below a folder."""
    return re.sub(r"(?<![\w.:/])/(?=[a-z])", f"{folder}/", text)


def copy(arguments: list[str], workdir: Path) -> None:
    if arguments[0].startswith("--from="):  # the stages share the scratch folder
        return
    *sources, target = arguments
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, workdir / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / source, workdir / target)


def run(steps: str, image: Image, workdir: Path, folder: Path) -> None:
    here = [step.strip() for step in steps.split("&&") if not step.strip().startswith(NOT_HERE)]
    here = [step for step in here if not step.startswith("chown ")]  # there is no such user here
    environ = clean_environ() | image.environ
    for step in here:
        step = below(step, folder).replace("--no-cache ", "")  # the image keeps none; this machine has one
        subprocess.run(["bash", "-c", step], cwd=workdir, env=environ, check=True)


@contextmanager
def running(image: Image, **environ: str) -> Generator[str]:
    """Start the image's command, wait for its health check, and yield its address; it ends by the signal to stop."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = image.run(image.command, port, environ)
    try:
        until = time.monotonic() + START_SECONDS
        while image.run(image.health, port, quiet=True).wait() != 0:
            assert server.poll() is None, f"the server ended with {server.returncode}"
            assert time.monotonic() < until, "the health check fails"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        code = server.wait(60)
        assert code == 128 + signal.SIGTERM, f"the signal to stop ends it with {code}"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        image = build(Path(folder))
        with running(image, ATELIER_JWT_SECRET="of an example, and at least 32 bytes long") as address:
            print(f"{address} is healthy")  # noqa: T201 - for the person who runs it


if __name__ == "__main__":
    main()
