"""The command line, as a person runs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.server.cli.terminal.messages import for_person
from tests.conftest import Environ, files_in
from tests.emulators.socks import Socks
from tests.exhaustive import exhaustive, parameters, sample
from tests.server.process import like_a_host

ROOT = Path(__file__).parents[2]


def atelier(environ: Environ, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "atelier.server", *arguments]
    return subprocess.run(
        command, env=like_a_host(environ), capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )


def test_without_a_key_the_first_line_says_that_it_is_a_sketch(environ: Environ, tmp_path: Path) -> None:
    done = atelier(environ, "generate", "a lighthouse at dusk, oil painting")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert "No vendor key is set" in lines[0]
    assert "sketch" in lines[0]
    (path,) = [path for path in files_in(tmp_path / "out") if path.suffix == ".png"]
    assert lines[1] == str(path)
    assert "drawing" in done.stderr


def test_a_command_loads_neither_the_mcp_sdk_nor_a_web_server(environ: Environ) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "atelier.server", "cost", "a fox"]
    done = subprocess.run(command, env=like_a_host(environ), capture_output=True, text=True, timeout=60, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "atelier.server.cli.commands" in loaded
    assert not loaded & {"mcp", "mcp_types", "starlette", "uvicorn", "boto3"}


def test_with_a_key_the_vendor_draws(with_openai: Environ, openai: OpenAI) -> None:
    done = atelier(with_openai, "generate", "a fox", "--quality", "low", "--aspect-ratio", "16:9", "--n", "2")
    assert done.returncode == 0
    assert len([line for line in done.stdout.splitlines() if line.endswith(".png")]) == 2
    assert "openai/gpt-image-2.5-flare" in done.stdout
    assert "1280x720" in done.stdout
    assert openai.requests[-1].json["quality"] == "low"


@exhaustive
def test_json_is_all_there_is_on_stdout(environ: Environ) -> None:
    done = atelier(environ, "generate", "a fox", "--json", "--size", "128x128")
    told = json.loads(done.stdout)
    assert (told["status"], told["provider"], told["images"][0]["width"]) == ("done", "sketch", 128)
    assert "No vendor key is set" in told["summary"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        parameters(("a fox", "--model", "gpt-imge-2"), 2, "gpt-image-2", is_fast=True),
        parameters(("a fox", "--model", "openai"), 1, "OPENAI_API_KEY", is_fast=True),
        parameters(("a fox", "--n", "many"), 2, "n", is_fast=False),
        parameters(("",), 2, "empty", is_fast=False),
    ],
)
def test_a_refusal_is_one_line_on_stderr(
    environ: Environ, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = atelier(environ, "generate", *arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("serve",), marks=exhaustive),
        pytest.param(("serve", "--http", "--port", "0"), marks=exhaustive),
        ("generate", "a fox"),
    ],
)
def test_a_fallback_that_is_no_model_is_refused_before_anything_is_begun(
    environ: Environ, tmp_path: Path, command: tuple[str, ...]
) -> None:
    environ |= {"ATELIER_FALLBACK": "nosuch-model, flux", "ATELIER_JWT_SECRET": "a secret that is long enough"}
    done = atelier(environ, *command)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "ATELIER_FALLBACK is wrong: no model is called “nosuch-model”." in done.stderr.splitlines()[-1]
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("keys", sample([[""], ["a b"], ["ü"], ["x" * 256], ["a", "b"]], [["ü"]]))
def test_a_key_that_is_none_is_refused_and_nothing_is_bought(
    with_openai: Environ, openai: OpenAI, keys: list[str]
) -> None:
    done = atelier(with_openai, "generate", "a fox", *(word for key in keys for word in ("--idempotency-key", key)))
    assert done.returncode == 2
    assert done.stderr.startswith("atelier: --idempotency-key is wrong: it should be one, of 1 to 255 visible ASCII")
    assert openai.requests == []


@exhaustive
def test_the_same_key_buys_once(with_openai: Environ, openai: OpenAI) -> None:
    told = [atelier(with_openai, "generate", "a fox", "--quality", "low", "--idempotency-key", "k!") for _ in range(2)]
    assert [done.returncode for done in told] == [0, 0]
    assert told[0].stdout == told[1].stdout
    assert len(openai.requests) == 1


def test_a_misspelt_option_is_a_usage_error(environ: Environ) -> None:
    done = atelier(environ, "generate", "a fox", "--sizes", "10x10")
    assert done.returncode == 2
    assert "--sizes" in done.stderr


def test_help_names_every_option_of_the_tool(environ: Environ) -> None:
    shown = atelier(environ, "generate", "--help").stdout
    for option in ("--model", "--aspect-ratio", "--output-compression", "--seed", "--json"):
        assert option in shown


def test_the_version_is_the_packages(environ: Environ) -> None:
    assert atelier(environ, "--version").stdout.startswith("atelier ")


def test_the_variables_of_a_chat_program_are_kept_out_by_atelier_s_own(with_openai: Environ, openai: OpenAI) -> None:
    mine = {f"ATELIER_{name}": with_openai[name] for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")}
    chat = {"OPENAI_API_KEY": "sk-of-the-chat", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = atelier({**with_openai, **chat, **mine}, "generate", "a fox", "--model", "openai", "--quality", "low")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("not a setting") == 0
    assert openai.requests[-1].headers["authorization"] == f"Bearer {openai.key}"


def test_a_key_that_is_not_accepted_is_named_by_the_variable_in_use(with_openai: Environ, openai: OpenAI) -> None:
    mine = {"ATELIER_OPENAI_API_KEY": "sk-wrong", "ATELIER_OPENAI_BASE_URL": openai.url}
    done = atelier({**with_openai, **mine}, "generate", "a fox", "--model", "openai")
    assert done.returncode == 1
    assert "Check ATELIER_OPENAI_API_KEY" in done.stderr
    assert "sk-wrong" not in done.stderr


@pytest.fixture
def without_socksio(tmp_path: Path) -> Environ:
    """An installation without the extra for SOCKS proxies."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text("import sys\nsys.modules['socksio'] = None\n")
    return {"PYTHONPATH": str(tmp_path / "without")}


@exhaustive
@pytest.mark.parametrize("proxy", sample(["socks5h://127.0.0.1:9", "socks4://127.0.0.1:9"], ["socks4://127.0.0.1:9"]))
def test_a_vendor_in_no_proxy_is_reached_whatever_the_proxy_is(
    with_openai: Environ, without_socksio: Environ, proxy: str
) -> None:
    environ = with_openai | without_socksio | {"ALL_PROXY": proxy, "NO_PROXY": "127.0.0.1"}
    done = atelier(environ, "generate", "a fox", "--model", "openai", "--quality", "low")
    assert done.returncode == 0, done.stderr


@exhaustive
def test_a_socks_proxy_without_its_package_is_one_sentence_and_nothing_is_reserved(
    with_openai: Environ, without_socksio: Environ, openai: OpenAI
) -> None:
    environ = with_openai | without_socksio | {"ALL_PROXY": "socks5h://127.0.0.1:9"}
    done = atelier(environ, "generate", "a fox", "--model", "openai")
    assert done.returncode == 1
    assert "ALL_PROXY names a SOCKS proxy" in done.stderr
    assert "atelier-mcp[socks]" in done.stderr
    assert openai.requests == []
    assert json.loads(atelier(environ, "spend", "--json").stdout)["total_usd"] == 0


@exhaustive
def test_a_socks_proxy_leads_to_the_vendor(with_openai: Environ, openai: OpenAI) -> None:
    with Socks().serving() as socks:
        mine = {"ALL_PROXY": socks.url, "OPENAI_BASE_URL": openai.url.replace("127.0.0.1", "vendor.example")}
        done = atelier(with_openai | mine, "generate", "a fox", "--model", "openai", "--quality", "low")
    assert done.returncode == 0, done.stderr
    assert socks.asked == ["vendor.example"]


@exhaustive
@pytest.mark.parametrize("encoding", sample(["utf-8-sig", "utf-16"], ["utf-16"]))
def test_a_key_and_a_catalogue_that_powershell_wrote_are_read(
    with_openai: Environ, openai: OpenAI, tmp_path: Path, encoding: str
) -> None:
    row = {"provider": "openai", "id": "gpt-image-mine", "like": "gpt-image-2"}
    (tmp_path / "key").write_text(f"{with_openai.pop('OPENAI_API_KEY')}\n", encoding=encoding)
    (tmp_path / "models.json").write_text(json.dumps({"models": [row]}), encoding=encoding)
    with_openai |= {"OPENAI_API_KEY_FILE": str(tmp_path / "key"), "ATELIER_CATALOG": str(tmp_path / "models.json")}
    done = atelier(with_openai, "generate", "a fox", "--model", "openai", "--quality", "low")
    assert done.returncode == 0, done.stderr
    assert openai.requests[-1].headers["authorization"] == f"Bearer {openai.key}"
    assert "gpt-image-mine" in atelier(with_openai, "models", "--vendor", "openai").stdout


@exhaustive
def test_a_refused_price_is_told_in_words_of_the_command_line(with_openai: Environ, openai: OpenAI) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    done = atelier(with_openai, "generate", "a fox", "--quality", "low")
    assert done.returncode == 1
    assert "--confirm-cost" in done.stderr
    assert "confirm_cost" not in done.stderr
    assert "the user" not in done.stderr
    assert openai.requests == []


def test_no_way_out_of_an_error_names_a_tool_at_the_command_line() -> None:
    """Every sentence of ours that tells an agent to call a tool has its command."""
    folders = ("providers", "tools")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    hints = [hint for path in sources for hint in re.findall(r'hint ?= ?f?"([^"]*)"', path.read_text(encoding="utf-8"))]
    assert len(hints) > 50
    left = re.compile(r"confirm_cost|get_image|list_models|estimate_cost|[Cc]all again|the user\b")
    assert [said for hint in hints if left.search(said := for_person(hint))] == []
