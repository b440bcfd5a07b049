"""The fenced blocks of the pages: each is of a kind that a test executes, and these execute what no other test does."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from atelier.providers.styles.style_file import parse_style
from atelier.server.http.discovery import MCP_PATH
from atelier.server.settings import Settings
from tests.conftest import Environ
from tests.emulators.s3 import ministack
from tests.exhaustive import exhaustive
from tests.server.http_process import SECRET, serving, token
from tests.server.process import like_a_host
from tests.wheel import ROOT

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

EXECUTED = {
    "README.md": {
        "console": "test_first_steps", "json": "test_readme", "toml": "test_readme", "sh": "test_readme",
        "python": "test_readme",
    },
    "bench/README.md": {"console": "test_docs_examples"},
    "docs/adding-a-vendor.md": {
        "python": "test_adding_a_vendor", "diff": "test_adding_a_vendor", "json": "test_adding_a_vendor",
        "toml": "test_docs_examples",
    },
    "docs/architecture.md": {"mermaid": "test_architecture"},
    "docs/command-line.md": {"sh": "test_docs_examples"},
    "docs/compatible-hosts.md": {"toml": "test_docs_examples"},
    "docs/deploy.md": {"console": "test_docs_examples", "sh": "test_docs_examples"},
    "docs/hosts.md": {"json": "test_hosts_docs", "toml": "test_hosts_docs", "yaml": "test_hosts_docs"},
    "docs/library.md": {"python": "test_library_docs"},
    "docs/models.md": {"json": "test_models_docs"},
    "docs/money.md": {"json": "test_money_docs", "text": "test_money_docs"},
    "docs/service.md": {
        "sh": "test_service_docs", "json": "test_service_docs", "jsonc": "test_docs_examples",
        "python": "test_docs_examples",
    },
    "docs/settings.md": {"toml": "server/test_config_files"},
    "docs/storage.md": {"sh": "test_docs_examples"},
    "docs/studio.md": {"console": "test_docs_examples"},
    "docs/styles.md": {"markdown": "test_docs_examples"},
}  # fmt: skip
"""Each page with blocks: their languages, and the module below tests/ that executes those."""


def blocks(page: str, language: str = "") -> list[str]:
    found = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [text for name, text in found if not language or name == language]


def bash(script: str, folder: Path, environ: Environ) -> str:
    """Return the output of a script that has to succeed, with `atelier` on its PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {**like_a_host(environ), "HOME": str(folder), "PATH": path, "SHELL": "/bin/bash"}
    done = subprocess.run(
        ["bash", "-ec", script], cwd=folder, env=own, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_block_has_a_test_that_executes_its_kind() -> None:
    pages = [
        *ROOT.glob("docs/*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md")),
    ]
    found = dict[str, set[str]]()
    for page in pages:
        if languages := {name for name, _ in BLOCK.findall(page.read_text(encoding="utf-8"))}:
            found[str(page.relative_to(ROOT))] = languages
    assert found == {page: set(languages) for page, languages in EXECUTED.items()}
    for page, languages in EXECUTED.items():
        for module in set(languages.values()):
            text = (ROOT / "tests" / f"{module}.py").read_text(encoding="utf-8")
            assert Path(page).name in text or module == "test_first_steps", f"{module} does not read {page}"


def test_no_block_is_without_a_language() -> None:
    for page in EXECUTED:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(blocks(page)), page


@exhaustive
@pytest.mark.skipif(os.name != "posix", reason="the blocks are of a POSIX shell")
@pytest.mark.parametrize("script", blocks("docs/command-line.md", "sh"), ids=lambda text: text.split("\n")[0][:20])
def test_a_block_of_the_command_line_runs(script: str, environ: Environ, tmp_path: Path) -> None:
    bash(script, tmp_path, environ | {"ATELIER_DEFAULT_MODEL": "sketch"})


@exhaustive
def test_the_service_of_one_machine_starts_as_is_said(environ: Environ, tmp_path: Path) -> None:
    script = blocks("docs/deploy.md", "console")[0]
    install, _, rest = script.partition("\n")
    assert install == "uv tool install atelier-mcp"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    rest = rest.replace("--port 8000", f"--port {port} &")
    check = (
        f"curl -sS --retry 20 --retry-delay 1 --retry-connrefused 127.0.0.1:{port}/healthz; kill %1; wait %1 || true"
    )
    assert bash(f"{rest}\n{check}", tmp_path, environ) == '{"ok":true}'


def test_the_containers_are_started_from_a_file_and_a_service_that_exist() -> None:
    (line,) = [line for text in blocks("docs/deploy.md", "console") for line in text.splitlines() if "docker" in line]
    words = shlex.split(line)
    compose = yaml.safe_load((ROOT / words[words.index("-f") + 1]).read_text(encoding="utf-8"))
    assert words[words.index("--scale") + 1].partition("=")[0] in compose["services"]


@exhaustive
def test_a_lost_ledger_is_restored_and_spans_are_switched_on_as_is_said(environ: Environ, tmp_path: Path) -> None:
    (rebuild,) = [text for text in blocks("docs/deploy.md", "console") if "--rebuild" in text]
    bash(f"atelier generate 'a fox' --model sketch --size 64x64\n{rebuild}", tmp_path, environ)
    (spans,) = blocks("docs/deploy.md", "sh")
    names = bash(f"{spans}\nenv | grep -o '^OTEL_[A-Z_]*' | sort", tmp_path, environ).split()
    assert names == [
        "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER",
        "OTEL_TRACES_SAMPLER_ARG",
    ]  # fmt: skip


@exhaustive
def test_the_block_about_a_bucket_stores_an_image_there(environ: Environ, tmp_path: Path) -> None:
    (block,) = blocks("docs/storage.md", "sh")
    with ministack() as store:
        keys = store.user()
        store.bucket("my-images")
        script = block.replace("https://ACCOUNT.r2.cloudflarestorage.com", store.url)
        script = script.replace("AWS_ACCESS_KEY_ID=...", f"AWS_ACCESS_KEY_ID={keys.id}")
        script = script.replace("AWS_SECRET_ACCESS_KEY=...", f"AWS_SECRET_ACCESS_KEY={keys.secret}")
        script = script.replace("ATELIER_S3_REGION=auto", "ATELIER_S3_REGION=us-east-1")
        assert f"{store.url}/my-images/" in bash(script, tmp_path, environ)


@exhaustive
def test_the_studio_prints_its_address_as_is_said(environ: Environ, tmp_path: Path) -> None:
    *_, line = blocks("docs/studio.md", "console")[0].splitlines()
    command = shlex.split(line, comments=True)
    program = [sys.executable, "-m", "atelier", *command[1:]]
    own = {**like_a_host(environ), "HOME": str(tmp_path)}
    with subprocess.Popen(program, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            assert "http://127.0.0.1:" in "".join(process.stdout.readline() for _ in range(2))
        finally:
            process.terminate()


@exhaustive
def test_openai_s_client_works_as_is_said(environ: Environ) -> None:
    (block,) = blocks("docs/service.md", "python")
    with serving(environ) as server:
        program = block.replace("http://127.0.0.1:8000", server.url).replace("flux-2-pro", "sketch")
        names: dict[str, Any] = {"TOKEN": token("123", secret=SECRET)}
        exec(program, names)
    assert names["image"].b64_json or names["image"].url
    names["client"].close()


def test_the_block_of_vscode_over_http_leads_to_the_server() -> None:
    (block,) = blocks("docs/service.md", "jsonc")
    found = json.loads(block)
    (server,) = found["servers"].values()
    assert (server["type"], server["url"]) == ("http", f"http://127.0.0.1:8000{MCP_PATH}")
    assert server["headers"] == {"Authorization": f"Bearer ${{input:{found['inputs'][0]['id']}}}"}


def test_the_hosts_of_the_configuration_file_are_read(environ: Environ, tmp_path: Path) -> None:
    (block,) = blocks("docs/compatible-hosts.md", "toml")
    file = tmp_path / "config.toml"
    file.write_text(block, encoding="utf-8")
    settings = Settings.load(environ=environ | {"ATELIER_CONFIG": str(file)})
    assert [host.name for host in settings.hosts] == ["openrouter", "proxy"]


def test_the_entry_point_of_another_distribution_is_the_one_of_the_example() -> None:
    (block,) = blocks("docs/adding-a-vendor.md", "toml")
    example = tomllib.loads((ROOT / "tests/plugin/pyproject.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(block)["project"]["entry-points"].keys() == example["project"]["entry-points"].keys()


@exhaustive
def test_the_commands_of_the_benchmarks_take_their_options() -> None:
    usage = subprocess.check_output([sys.executable, "-m", "bench", "--help"], cwd=ROOT, text=True)
    commands = [shlex.split(line, comments=True) for line in blocks("bench/README.md", "console")[0].splitlines()]
    assert [command[:5] for command in commands] == [["uv", "run", "python", "-m", "bench"]] * len(commands)
    assert {word for command in commands for word in command if word.startswith("--")} <= set(
        usage.replace("]", " ").split()
    )


def test_the_style_of_the_page_is_one() -> None:
    (block,) = blocks("docs/styles.md", "markdown")
    style = parse_style("noir", block.encode())
    assert (style.settings.model, style.settings.aspect_ratio) == ("openai/gpt-image-2.5-flare", "16:9")
    assert style.words.startswith("High-contrast")
