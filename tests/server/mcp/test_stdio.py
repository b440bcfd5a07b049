"""The real process over real stdio: both eras, a quick start, a clean stdout, and an environment like a host's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Slow
from atelier.tools import TOOLS
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive, sample
from tests.server.process import SERVE, conversation, hello, like_a_host


def parameters(environ: Environ, *arguments: str) -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=["-m", "atelier.server", *arguments], env=environ)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", sample(["auto", "legacy"], ["auto"]))
@pytest.mark.parametrize(
    "arguments", [pytest.param((), id="bare"), pytest.param(("serve",), id="serve", marks=exhaustive)]
)
async def test_the_official_client_gets_a_stored_picture(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, mode: Any, arguments: tuple[str, ...]
) -> None:
    openai.next(Slow(1.5))
    seen: list[str | None] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        seen.append(message)

    async with Client(parameters(with_openai, *arguments), mode=mode) as client:
        assert client.protocol_version == {"auto": "2026-07-28", "legacy": "2025-11-25"}[mode]
        drawn = await client.call_tool("generate_image", {"prompt": "a fox"}, progress_callback=watch)
        sketched = await client.call_tool("generate_image", {"prompt": "a fox", "model": "sketch"})
        refused = await client.call_tool("generate_image", {"prompt": "a fox", "colour": "red"})
    assert drawn.structured_content is not None
    assert sketched.structured_content is not None
    assert Path(drawn.structured_content["images"][0]["path"]).is_file()
    assert (drawn.structured_content["provider"], sketched.structured_content["provider"]) == ("openai", "sketch")
    assert refused.is_error
    assert any("OpenAI" in (message or "") for message in seen), seen
    assert len([path for path in files_in(tmp_path / "out") if path.suffix == ".png"]) == 2


@exhaustive
@pytest.mark.parametrize("revision", sample(["2025-06-18", "2025-11-25"], ["2025-06-18"]))
def test_a_handshake_of_either_older_revision_is_answered_in_kind(environ: Environ, revision: str) -> None:
    answers, log = conversation(environ, hello(revision), {"method": "tools/list", "id": 2})
    assert answers[1]["result"]["protocolVersion"] == revision
    assert [tool["name"] for tool in answers[2]["result"]["tools"]] == [tool.name for tool in TOOLS]
    assert log == ""


@exhaustive
def test_what_a_bundle_leaves_in_the_environment_counts_as_unset(environ: Environ, tmp_path: Path) -> None:
    environ |= {
        "OPENAI_API_KEY": "${user_config.openai_api_key}",
        "OPENAI_BASE_URL": "",
        "ATELIER_OUTPUT_DIR": "${HOME}/Pictures/atelier",
        "HOME": str(tmp_path),
        "USERPROFILE": str(tmp_path),
    }
    call = {"method": "tools/call", "id": 2, "params": {"name": "generate_image", "arguments": {"prompt": "a fox"}}}
    answers, _ = conversation(environ, hello("2025-06-18"), call)
    told = answers[2]["result"]["structuredContent"]
    assert told["provider"] == "sketch"
    assert Path(told["images"][0]["path"]).is_relative_to(tmp_path / "Pictures" / "atelier")


def test_neither_key_nor_prompt_is_logged(with_openai: Environ, openai: OpenAI) -> None:
    arguments = {"prompt": "the secret garden of my aunt", "n": 99}
    calls = [
        {"method": "tools/call", "id": 2, "params": {"name": "generate_image", "arguments": {**arguments, "n": 1}}},
        {"method": "tools/call", "id": 3, "params": {"name": "generate_image", "arguments": arguments}},
    ]
    _, log = conversation(with_openai | {"ATELIER_LOG_LEVEL": "info"}, hello("2025-11-25"), *calls)
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["outcome"] for line in lines if line["event"] == "tool called"] == ["done", "invalid_request"]
    assert "secret garden" not in log
    assert openai.key not in log


LEVELS: list[tuple[str | None, set[str]]] = [
    (None, set()),
    ("error", set()),
    ("info", {"vendor exchange", "tool called"}),
    ("DEBUG", {"tool arguments", "vendor exchange", "tool called"}),
]


@exhaustive
@pytest.mark.parametrize(("level", "events"), sample(LEVELS, LEVELS[3:]))
def test_the_level_chooses_the_lines_and_only_debug_has_prompts(
    with_openai: Environ, openai: OpenAI, level: str | None, events: set[str]
) -> None:
    environ = with_openai | ({"ATELIER_LOG_LEVEL": level} if level else {})
    arguments = {"prompt": "the secret garden of my aunt", "model": "openai", "quality": "low"}
    call = {"method": "tools/call", "id": 2, "params": {"name": "generate_image", "arguments": arguments}}
    _, log = conversation(environ, hello("2025-11-25"), call)
    assert {json.loads(line)["event"] for line in log.splitlines()} == events
    assert ("secret garden" in log) == (level == "DEBUG")
    assert openai.key not in log


@exhaustive
def test_a_misspelt_setting_is_pointed_out(environ: Environ) -> None:
    environ["ATELIER_OUTPUT_DIRECTORY"] = "somewhere"
    _, log = conversation(environ, hello("2025-11-25"))
    assert "ATELIER_OUTPUT_DIR" in json.loads(log.splitlines()[0])["event"]


def test_a_wrong_setting_stops_the_start_with_its_name(environ: Environ) -> None:
    environ["ATELIER_TIMEOUT_SECONDS"] = "soon"
    done = subprocess.run(SERVE, env=like_a_host(environ), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "ATELIER_TIMEOUT_SECONDS" in done.stderr
    assert "Traceback" not in done.stderr


@exhaustive
def test_a_folder_that_leads_nowhere_stops_the_start_with_one_sentence(environ: Environ) -> None:
    environ["ATELIER_OUTPUT_DIR"] = "~nobody-of-that-name/x"
    done = subprocess.run(SERVE, env=like_a_host(environ), capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "ATELIER_OUTPUT_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_before_the_handshake_no_picture_library_no_s3_and_no_drawing_code_is_loaded(environ: Environ) -> None:
    program = (
        "import sys, json\n"
        "from atelier.server.settings import Settings\n"
        "from atelier.server.mcp.server import build_server\n"
        "build_server(Settings.from_environ())\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=like_a_host(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"PIL", "boto3", "botocore", "filelock", "sqlalchemy", "openai", "server", "tools", "providers"}
    assert "atelier.providers.vendors.sketch.scenes" not in json.loads(done.stdout)


def test_a_free_draft_does_not_wait_for_the_database(environ: Environ) -> None:
    program = (
        "import sys, anyio\n"
        "from atelier.providers.core.types import ImageRequest\n"
        "from atelier.providers.jobs.service import ImageService\n"
        "from atelier.server.composition import pipeline_of, storage_of\n"
        "from atelier.server.settings import Settings\n"
        "async def main():\n"
        "    settings = Settings.from_environ()\n"
        "    async with ImageService(pipeline_of(settings, storage_of(settings))) as service:\n"
        "        result = await service.submit(ImageRequest(prompt='a fox', model='sketch'))\n"
        "        print(len(result.images), 'sqlalchemy' in sys.modules)\n"
        "anyio.run(main)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=like_a_host(environ), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1 False\n"
