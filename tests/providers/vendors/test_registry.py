"""The registry: built-in vendors, vendors of other installed distributions, and plugins that cannot be used."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from atelier.providers.vendors import registry
from atelier.providers.vendors.registry import GROUP, all_providers, built_in_providers, with_plugins
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import data_of, serving
from tests.server.process import like_a_host

ROOT = Path(__file__).parents[3]
PLUGIN = ROOT / "tests" / "plugin"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the import path, with the plugin's distribution as an installer puts it there."""
    folder = tmp_path_factory.mktemp("installed")
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(PLUGIN)]
    clean = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def python(environ: Environ, installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=like_a_host(environ | {"PYTHONPATH": str(installed)}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@exhaustive
def test_a_vendor_of_another_distribution_generates_by_the_command(environ: Environ, installed: Path) -> None:
    done = python(environ, installed, "-m", "atelier.server", "generate", "a fox", "--model", "dots", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["provider"], answer["model"], answer["images"][0]["width"]) == ("dots", "dots-1", 1)


@exhaustive
@pytest.mark.anyio
async def test_it_draws_over_stdio(environ: Environ, installed: Path) -> None:
    started = StdioServerParameters(
        command=sys.executable,
        args=["-m", "atelier.server"],
        env=like_a_host(environ | {"PYTHONPATH": str(installed)}),
    )
    async with Client(started) as client:
        drawn = await client.call_tool("generate_image", {"prompt": "a fox", "model": "dots"})
    assert drawn.structured_content is not None
    assert drawn.structured_content["provider"] == "dots"


@exhaustive
def test_it_draws_over_http(environ: Environ, installed: Path) -> None:
    with serving(environ | {"PYTHONPATH": str(installed)}) as server, server.web("123") as web:
        order = {"prompt": "a fox", "settings": {"image": {"model": "dots"}}}
        assert data_of(web.post("/image/generate", json=order))["provider"] == "dots"


@exhaustive
def test_the_command_lists_it_after_the_built_in_vendors(environ: Environ, installed: Path) -> None:
    listed = python(environ, installed, "-m", "atelier.server", "models", "--json")
    vendors = list(dict.fromkeys(vendor["name"] for vendor in json.loads(listed.stdout)["vendors"]))
    assert vendors == [*registry.BUILT_IN, "dots"]


def test_a_server_is_built_without_importing_any_vendor(environ: Environ, installed: Path) -> None:
    program = (
        "import sys\n"
        "from atelier.server import build_server\n"
        "from atelier.server.settings import Settings\n"
        "build_server(Settings.from_environ())\n"
        "print([name for name in sys.modules if name == 'atelier_dots' or name.endswith('.adapter')])"
    )
    done = python(environ, installed, "-c", program)
    assert done.stdout == "[]\n", done.stderr


def skipped(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The facts of each warning that a plugin is left out."""
    records = [record for record in caplog.records if record.message == "vendor plugin skipped"]
    assert all(record.levelno == logging.WARNING for record in records), records
    return [getattr(record, "facts") for record in records]  # noqa: B009 - of `extra`, unknown to the type


BROKEN = {
    "no_module": ("nowhere_to_be_found:PROVIDER", "ModuleNotFoundError"),
    "no_attribute": ("json:PROVIDER", "AttributeError"),
    "no_provider": ("json:dumps", "json:dumps is not a Provider"),
    "no_reference": (":::", ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_skipped_with_a_warning_that_names_it(name: str, caplog: pytest.LogCaptureFixture) -> None:
    value, why = BROKEN[name]
    before = built_in_providers()
    assert with_plugins(before, [EntryPoint(name, value, GROUP)]) == before
    (facts,) = skipped(caplog)
    assert facts["plugin"] == name
    assert why in facts["why"]


CLASHES = {
    "vendor": ({"name": "openai", "names": ("mine",)}, "openai names both OpenAI and Mine"),
    "name of a vendor": ({"names": ("mine", "grok")}, "grok names both xAI and Mine"),
    "name of a model": ({"names": ("mine", "nano-banana")}, "nano-banana"),
    "model": ({"models": ("flux-2-pro",), "default": "flux-2-pro"}, "flux-2-pro names both"),
    "model that is a vendor": ({"models": ("gemini",), "default": "gemini"}, "it stands for the default of Google"),
    "default": ({"default": "mine-2"}, "its default mine-2 is none of its models"),
}


@pytest.mark.parametrize("case", CLASHES)
def test_a_plugin_whose_names_are_taken_is_skipped_and_the_next_is_not(
    case: str, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, why = CLASHES[case]
    record: dict[str, Any] = {"name": "mine", "title": "Mine", "names": ("mine",), "models": ("mine-1",)} | changes
    record["default"] = record.get("default", "mine-1")
    module = f"mine_{case.replace(' ', '_')}"
    (tmp_path / f"{module}.py").write_text(MINE.format(record=record), encoding="utf-8")
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    plugins = [EntryPoint("a", f"{module}:PROVIDER", GROUP), EntryPoint("b", f"{module}:OTHER", GROUP)]
    found = with_plugins(built_in_providers(), plugins)
    assert [provider.name for provider in found] == [*registry.BUILT_IN, "other"]
    (facts,) = skipped(caplog)
    assert facts["plugin"] == "a"
    assert why in facts["why"]


MINE = """
from dataclasses import replace
from atelier.providers.core.types import Model, Operation
from atelier.providers.vendors.sketch import PROVIDER as SKETCH

record = {record!r}
record["models"] = tuple(Model(id=id, operations=frozenset({{Operation.GENERATE}})) for id in record["models"])
PROVIDER = replace(SKETCH, **record)
other = Model(id="other-1", operations=frozenset({{Operation.GENERATE}}))
OTHER = replace(SKETCH, name="other", title="Other", names=("other",), models=(other,), default="other-1")
"""


def test_the_built_in_vendors_are_named_as_their_packages() -> None:
    assert tuple(provider.name for provider in built_in_providers()) == registry.BUILT_IN
    assert all_providers() is all_providers()
