"""Real command-line hosts, driven by a scripted model: it draws, edits what it drew, and makes a mistake."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from atelier.providers.testing.waiting import LONG
from atelier.tools import TOOLS
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.hosts.scripted_model import DONE, ScriptedModel
from tests.npm import clean_environ, installed, node
from tests.server.process import SERVE, like_a_host

QWEN = "@qwen-code/qwen-code@0.24.4"
CODEX = "@openai/codex@0.171.0"

pytestmark = exhaustive


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    scripted = ScriptedModel()
    with scripted.serving():
        yield scripted


def run_host(command: list[str], home: Path, **environ: str) -> None:
    """Run a host with a home of its own until the model has ended."""
    settings = clean_environ() | {"HOME": str(home), "USERPROFILE": str(home), **environ}
    done = subprocess.run(
        command, env=settings, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=6 * LONG,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert DONE in done.stdout


def check_outputs(model: ScriptedModel, folder: Path) -> None:
    """Check that the model was told of two images, the second drawn from the first, and of its mistake."""
    drawn, edited, refused = model.outputs
    for output in (drawn, edited):
        assert str(folder) in output.text
        assert "do not describe it" in output.text
    assert len(list(folder.rglob("img_*.png"))) == 2
    assert "colour" in refused.text
    assert "generate_image takes" in refused.text


def test_codex_shows_its_model_the_preview(
    model: ScriptedModel, environ: Environ, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = installed(CODEX, request.config).parent / "node_modules"
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").write_text(
        f"""
model = "scripted"
model_provider = "local"
[model_providers.local]
name = "local"
base_url = "{model.url}/v1"
wire_api = "responses"
env_key = "LOCAL_KEY"
[mcp_servers.atelier]
command = {json.dumps(SERVE[0])}
args = {json.dumps(SERVE[1:])}
startup_timeout_sec = 60
required = true
[mcp_servers.atelier.env]
"""
        + "\n".join(f"{name} = {json.dumps(value)}" for name, value in like_a_host(environ).items()),
        encoding="utf-8",
    )
    command = [str(node()), str(folder / "@openai/codex/bin/codex.js"), "exec", "--skip-git-repo-check"]
    run_host([*command, "--dangerously-bypass-approvals-and-sandbox", "draw a fox"], tmp_path, LOCAL_KEY="local")
    assert set(model.tools) == {tool.name for tool in TOOLS}
    check_outputs(model, tmp_path / "out")
    assert [output.has_image for output in model.outputs] == [True, True, False]


def test_qwen_code_reads_both_parts(
    model: ScriptedModel, environ: Environ, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    program = installed(QWEN, request.config).parent / "node_modules/@qwen-code/qwen-code/cli.js"
    server = {"command": SERVE[0], "args": SERVE[1:], "env": like_a_host(environ), "trust": True}
    command = [str(node()), str(program), "--mcp-config", json.dumps({"mcpServers": {"atelier": server}})]
    command += ["--auth-type", "openai", "--openai-base-url", f"{model.url}/v1", "--openai-api-key", "local"]
    run_host([*command, "-m", "scripted", "--yolo", "draw a fox"], tmp_path, PATH=os.environ["PATH"])
    check_outputs(model, tmp_path / "out")
    assert '\\"status\\":\\"done\\"' in model.outputs[0].text  # Open WebUI is not the only one that reads both
