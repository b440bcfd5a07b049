"""What is shipped: the wheel, the bundle, the README's blocks and the version, each tried as its receiver would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from pydantic import ValidationError

from atelier.server.http.app import app_of
from atelier.server.http.monitoring import Metrics
from atelier.server.mcp.server import build_server
from atelier.server.settings import Settings
from atelier.tools import TOOLS
from tests.exhaustive import exhaustive
from tests.npm import clean_environ, node
from tests.registry import Server

ROOT = Path(__file__).parents[1]
MCPB = "@anthropic-ai/mcpb@2.1.2"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MANIFEST = json.loads((ROOT / "manifest.json").read_text(encoding="utf-8"))
REGISTRY = Server.model_validate_json((ROOT / "server.json").read_text(encoding="utf-8"))


def run(*command: str | Path, cwd: Path = ROOT, **environ: str) -> str:
    """The output of a command that has to succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environ() | environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this checkout as a clone would have them, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def mcpb(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """The bundle tool of the format's makers, on a Node from PyPI."""
    npm = next(node().parent.parent.rglob("npm-cli.js"))
    folder = tmp_path_factory.mktemp("node")
    path = f"{node().parent}{os.pathsep}{os.environ['PATH']}"
    run(node(), npm, "install", "--no-audit", "--no-fund", "--prefix", folder, MCPB, PATH=path)
    cli = folder / "node_modules" / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js"
    return lambda *arguments: run(node(), cli, *arguments, cwd=folder)


@exhaustive
def test_the_wheel_holds_the_house_under_one_name(checkout: Path, tmp_path: Path) -> None:
    run("uv", "build", "--quiet", "--out-dir", tmp_path, cwd=checkout)
    (wheel,) = tmp_path.glob("*.whl")
    (sdist,) = tmp_path.glob("*.tar.gz")
    assert sdist.name.startswith("atelier_mcp-")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    roots = {name.partition("/")[0] for name in names}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"atelier"}
    assert {f"atelier/{part}/py.typed" for part in ("server", "tools", "providers")} <= set(names)
    assert "atelier/server/mcp/icon.png" in names

    run("uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run("uv", "pip", "install", "--quiet", "--python", python, wheel)
    program = (
        "import atelier.server.mcp.server, atelier.tools, atelier.providers, importlib.util as u\n"
        "print([name for name in ('server', 'tools', 'providers') if u.find_spec(name)])"
    )
    assert run(python, "-c", program, cwd=tmp_path).strip() == "[]"
    assert run(python.parent / "atelier", "--version", cwd=tmp_path) == f"atelier {PROJECT['project']['version']}\n"


@exhaustive
def test_an_editable_checkout_sees_its_own_edits(checkout: Path, tmp_path: Path) -> None:
    run("uv", "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    run("uv", "pip", "install", "--quiet", "--python", python, "--editable", checkout)
    (checkout / "tools" / "fresh.py").write_text("SEEN = True\n")
    assert run(python, "-c", "import atelier.tools.fresh as f; print(f.SEEN)", cwd=tmp_path) == "True\n"
    (checkout / "tools" / "fresh.py").unlink()


@exhaustive
def test_a_checkout_that_lost_its_links_is_repaired_as_contributing_says(checkout: Path, tmp_path: Path) -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (repair,) = re.findall(r"^    (uv sync .*--reinstall-package .*)$", guide, re.MULTILINE)
    clone = shutil.copytree(checkout, tmp_path / "clone", ignore=shutil.ignore_patterns("build"))
    sync = ("uv", "sync", "--quiet", "--no-default-groups", "--python", sys.executable)
    run(*sync, cwd=clone)
    for folder in ("build", ".venv"):  # as `git clean -fdx` does
        shutil.rmtree(clone / folder)
    run(*sync, *repair.split()[4:], cwd=clone)
    assert run("uv", "run", "--no-sync", "atelier", "--version", cwd=clone).startswith("atelier ")


def test_every_dependency_has_an_upper_bound_and_is_locked() -> None:
    groups = [*PROJECT["dependency-groups"].values(), *PROJECT["project"]["optional-dependencies"].values()]
    wanted = PROJECT["project"]["dependencies"] + [dependency for group in groups for dependency in group]
    wanted = [dependency for dependency in wanted if not dependency.startswith("atelier-mcp[")]
    assert all(re.search(r",<\d", dependency) for dependency in wanted + PROJECT["build-system"]["requires"])
    run("uv", "lock", "--check")


@exhaustive
@pytest.mark.anyio
async def test_the_bundle_is_valid_packs_and_its_own_command_answers(
    checkout: Path, mcpb: Callable[..., str], tmp_path: Path
) -> None:
    assert "passes" in mcpb("validate", checkout / "manifest.json")
    mcpb("pack", checkout, tmp_path / "atelier.mcpb")
    mcpb("unpack", tmp_path / "atelier.mcpb", tmp_path / "bundle")
    inside = {path.relative_to(tmp_path / "bundle").parts[0] for path in (tmp_path / "bundle").rglob("*")}
    assert {"manifest.json", "pyproject.toml", "uv.lock", "icon.png", "server", "tools", "providers"} <= inside
    assert not inside & {"tests", ".git", ".github", ".venv", "bench", "build", ".ci", "deploy", "docs"}

    launch = MANIFEST["server"]["mcp_config"]
    arguments = [part.replace("${__dirname}", str(tmp_path / "bundle")) for part in launch["args"]]
    settings = {name: as_the_host_substitutes(value) for name, value in launch["env"].items()}
    environ = clean_environ() | settings | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):  # a desktop program has none: the system's authorities have to do
        environ.pop(name, None)
    parameters = StdioServerParameters(command=launch["command"], args=arguments, env=environ)
    async with Client(parameters) as client:
        listed = [tool.name for tool in (await client.list_tools()).tools]
        drawn = await client.call_tool("generate_image", {"prompt": "a fox", "size": "128x128"})
    assert listed == [tool.name for tool in TOOLS]
    assert drawn.structured_content is not None
    assert Path(drawn.structured_content["images"][0]["path"]).is_relative_to(tmp_path / "Pictures" / "atelier")


def as_the_host_substitutes(value: str) -> str:
    """What the host puts in place of `${user_config.x}` when the user left everything as it is."""
    key = value.removeprefix("${user_config.").removesuffix("}")
    return value if key == value else MANIFEST["user_config"][key]["default"]


def test_every_user_setting_of_the_bundle_is_optional_and_used() -> None:
    used = set(re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(MANIFEST["server"])))
    assert used == set(MANIFEST["user_config"])
    assert all(entry["required"] is False and "default" in entry for entry in MANIFEST["user_config"].values())
    assert [tool["name"] for tool in MANIFEST["tools"]] == [tool.name for tool in TOOLS]


def test_the_version_is_one_number_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert MANIFEST["version"] == version
    assert {REGISTRY.version, *(package.version for package in REGISTRY.packages)} == {version}
    assert metadata.version("atelier-mcp") == version
    server = build_server(Settings.from_environ({}))
    assert app_of(server, Metrics(), None).openapi()["info"]["version"] == version
    written = [file for file in product_files() if f'"{version}"' in file.read_text(encoding="utf-8")]
    assert written == [], "the version is read from the package, and written nowhere else"
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def product_files() -> list[Path]:
    return [file for part in ("server", "tools", "providers") for file in (ROOT / part).rglob("*.py")]


def test_server_json_is_of_this_package_and_readme_proves_it() -> None:
    (package,) = REGISTRY.packages
    assert (package.registry_type, package.identifier) == ("pypi", PROJECT["project"]["name"])
    assert package.identifier in PROJECT["project"]["scripts"], "uvx starts the command with the package's name"
    markers = re.findall(r"<!-- mcp-name: (\S+) -->", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert markers == [REGISTRY.name]


@pytest.mark.parametrize(
    "wrong",
    [{"description": "x" * 101}, {"version": "latest"}, {"name": "atelier"}, {"packages": []}, {"licence": "MIT"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_server_json_that_the_registry_would_refuse_is_noticed(wrong: dict[str, object]) -> None:
    good = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError):
        Server.model_validate_json(json.dumps(good | wrong))
