"""Installing the wheel: with every tool, on every interpreter, with the newest and the oldest dependencies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from atelier.tools import TOOLS
from tests.exhaustive import exhaustive
from tests.npm import clean_environ
from tests.wheel import ROOT, Wheel

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = f"atelier {PROJECT['version']}\n"
PYTHONS = [
    line.rpartition(" ")[2]
    for line in PROJECT["classifiers"]
    if line.startswith("Programming Language :: Python :: 3.")
]
MAX_PACKAGES = 57
"""Of these the MCP SDK needs 28, boto3 7, the command line (cyclopts and rich) 7, SQLAlchemy with Alembic 4."""

EXTRAS = {
    "azure": "azure.identity",
    "heic": "pillow_heif",
    "keyring": "keyring",
    "otel": "opentelemetry.sdk",
    "postgres": "psycopg",
    "socks": "socksio",
    "vertex": "google.auth",
}
"""Each extra and a module that it installs."""


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    """Return the output of a command that has to succeed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean_environ() | environ, capture_output=True, text=True,
        encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run("uv", "build", "--quiet", "--out-dir", folder, cwd=ROOT)
    (file,) = folder.glob("*.whl")
    return file


def home_of(folder: Path) -> dict[str, str]:
    """Return the variables of a new user, whose packages come from this machine's cache."""
    folder.mkdir(exist_ok=True)
    keys = {name: "" for name in os.environ if name.endswith(("_KEY", "_TOKEN"))}
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    return keys | {"HOME": str(folder), "USERPROFILE": str(folder), "UV_CACHE_DIR": cache}


async def use(atelier: list[str | Path], home: Path, **environ: str) -> None:
    """Go through the commands and the server as a new user would."""
    settings = home_of(home) | environ
    assert run(*atelier, "--version", cwd=home, **settings) == VERSION
    assert "sketch" in run(*atelier, "models", cwd=home, **settings)
    run(*atelier, "generate", "a fox", "--model", "sketch", "--size", "64x64", cwd=home, **settings)
    run(*atelier, "edit", "last", "add a hat", "--model", "sketch", cwd=home, **settings)
    run(*atelier, "cost", "a fox", "--model", "gpt-image-2", cwd=home, **settings)
    assert len(list((home / "Pictures" / "atelier").rglob("img_*.png"))) == 2
    run(*atelier, "spend", cwd=home, **settings)
    command, *arguments = (str(part) for part in atelier)
    server = StdioServerParameters(command=command, args=[*arguments, "serve"], env=clean_environ() | settings)
    async with Client(server) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [tool.name for tool in TOOLS]
        drawn = await client.call_tool("generate_image", {"prompt": "a fox", "size": "64x64", "model": "sketch"})
        assert not drawn.is_error, drawn.content


def test_the_base_install_is_small(installed_wheel: Wheel, tmp_path: Path) -> None:
    listed = run(
        "uv", "pip", "list", "--quiet", "--python", installed_wheel.interpreter, "--format", "freeze", cwd=tmp_path
    )
    others = [line for line in listed.splitlines() if not line.startswith("atelier-mcp")]
    assert len(others) <= MAX_PACKAGES, listed


def test_the_package_is_started_by_its_name(installed_wheel: Wheel, tmp_path: Path) -> None:
    for module in ("atelier", "atelier.server"):
        assert installed_wheel.python("-m", module, "--version", cwd=tmp_path) == VERSION


def test_the_extra_all_is_every_extra_but_the_test_kit() -> None:
    extras = PROJECT["optional-dependencies"]
    (all_of_them,) = extras["all"]
    assert all_of_them == f"atelier-mcp[{','.join(sorted(EXTRAS))}]"
    assert extras.keys() == {*EXTRAS, "all", "testing"}
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == extras.keys()


@exhaustive
@pytest.mark.anyio
async def test_uvx_starts_the_wheel(wheel: Path, tmp_path: Path) -> None:
    await use(["uvx", "--quiet", "--python", sys.executable, "--from", wheel, "atelier"], tmp_path / "home")


@exhaustive
@pytest.mark.anyio
async def test_uv_tool_install_and_uninstall(wheel: Path, tmp_path: Path) -> None:
    places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    run("uv", "tool", "install", "--quiet", "--python", sys.executable, wheel, cwd=tmp_path, **places)
    command = shutil.which("atelier", path=str(tmp_path / "bin"))
    assert command
    await use([command], tmp_path / "home")
    assert shutil.which("atelier-mcp", path=str(tmp_path / "bin"))
    run("uv", "tool", "uninstall", "atelier-mcp", cwd=tmp_path, **places)
    assert shutil.which("atelier", path=str(tmp_path / "bin")) is None


@exhaustive
@pytest.mark.anyio
async def test_pipx_installs_the_wheel(wheel: Path, tmp_path: Path) -> None:
    places = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    run("uvx", "--quiet", "pipx", "install", "--python", sys.executable, wheel, cwd=tmp_path, **places)
    command = shutil.which("atelier", path=str(tmp_path / "bin"))
    assert command
    await use([command], tmp_path / "home")


@exhaustive
@pytest.mark.anyio
@pytest.mark.parametrize("version", PYTHONS)
async def test_every_interpreter_of_the_classifiers_runs_it(version: str, wheel: Path, tmp_path: Path) -> None:
    python = interpreter(version, tmp_path)
    if python is None:
        every_package_has_a_file_for(version, wheel, tmp_path)
        pytest.skip(f"there is no Python {version} here; its packages are")
    run("uv", "venv", "--quiet", "--python", python, tmp_path / "venv", cwd=tmp_path)
    environment = Wheel(tmp_path / "venv")
    environment.install(wheel)
    await use([environment.interpreter, "-m", "atelier"], tmp_path / "home")


def interpreter(version: str, folder: Path) -> str | None:
    """Return an interpreter that is installed, by pyenv or otherwise, or that uv can install."""
    for found in sorted(
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python")
    ):
        return str(found)
    for command in (["uv", "python", "find", version], ["uv", "python", "install", version, "--quiet"]):
        done = subprocess.run(command, cwd=folder, env=clean_environ(), capture_output=True, text=True, check=False)
        if done.returncode == 0 and (path := done.stdout.strip()):
            return path
    return None


def every_package_has_a_file_for(version: str, wheel: Path, folder: Path) -> None:
    target = ("--python-version", version, "--only-binary", ":all:", "--target", folder / "target")
    run("uv", "pip", "install", "--quiet", *target, f"atelier-mcp[all] @ {wheel.as_uri()}", cwd=folder)


@exhaustive
@pytest.mark.anyio
@pytest.mark.parametrize("resolution", ["highest", "lowest-direct"])
async def test_the_newest_and_the_oldest_dependencies_work(resolution: str, wheel: Path, tmp_path: Path) -> None:
    run("uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "venv", cwd=tmp_path)
    environment = Wheel(tmp_path / "venv")
    extras = [requirement for name in EXTRAS for requirement in PROJECT["optional-dependencies"][name]]
    direct = tmp_path / "requirements.txt"  # the lowest of these; through the wheel they would be indirect
    direct.write_text("\n".join(PROJECT["dependencies"] + extras))
    environment.install("--resolution", resolution, "--requirements", direct)
    environment.install("--no-deps", wheel)
    await use([environment.interpreter, "-W", "error", "-m", "atelier"], tmp_path / "home")
    for module in EXTRAS.values():
        environment.python("-W", "error", "-c", f"import {module}", cwd=tmp_path)
