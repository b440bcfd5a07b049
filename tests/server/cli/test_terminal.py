"""The command line in a terminal: its help and its examples in narrow and wide ones, its start, its words."""

from __future__ import annotations

import json
import re
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.waiting import LONG
from atelier.server.cli.commands import COMMANDS
from atelier.tools import TOOLS
from tests.conftest import Environ, png
from tests.exhaustive import exhaustive, parameters
from tests.server.cli.in_process import atelier
from tests.server.cli.terminal import COMMAND, in_terminal
from tests.server.process import like_a_host, started

WIDTHS = (80, 200)
PARAMETERS = {name for tool in TOOLS for name in tool.parameters.model_fields if "_" in name}
DIGEST = re.compile(r"[0-9a-f]{64}")
SERVING = ("studio", "serve")
"""Commands that run until they are ended."""
EXAMPLES = [example for command in COMMANDS for example in command.examples if command.name not in SERVING]


@pytest.mark.parametrize(
    ("name", "columns"),
    [parameters(c.name, w, is_fast=(c.name, w) == ("generate", 80)) for c in COMMANDS for w in WIDTHS],
)
def test_the_help_of_a_command_fits_and_has_its_examples(environ: Environ, name: str, columns: int) -> None:
    shown = in_terminal(environ, name, "--help", columns=columns)
    assert shown.code == 0
    assert f"Usage: atelier {name}" in shown.text
    assert max(map(len, shown.lines)) <= columns
    (command,) = [command for command in COMMANDS if command.name == name]
    assert command.examples
    assert all(f"  atelier {example}" in shown.lines for example in command.examples)
    assert not [word for word in PARAMETERS if re.search(rf"\b{word}\b", shown.text)]


@pytest.fixture
def folder(environ: Environ, tmp_path: Path) -> Path:
    """A folder in which the examples can run: it has fox.png and prompts, and an image was made before."""
    (tmp_path / "fox.png").write_bytes(png(64, 64))
    (tmp_path / "prompts.txt").write_text("a fox\na cat\n", encoding="utf-8")
    assert atelier(environ, "generate", "a fox", "--size", "64x64").returncode == 0
    return tmp_path


@exhaustive
@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_and_fits(environ: Environ, folder: Path, example: str, columns: int) -> None:
    shown = in_terminal(environ, *shlex.split(example), columns=columns, folder=folder)
    assert shown.code == 0, shown.text
    if not example.startswith("completion"):
        long = [
            line for line in shown.lines if len(line) > columns and str(folder) not in line and not DIGEST.search(line)
        ]
        assert [line for line in long if " " not in line.strip() or "  " in line.strip()] == []  # tables; text wraps


@exhaustive
@pytest.mark.parametrize("example", [each for c in COMMANDS if c.name in SERVING for each in c.examples])
def test_an_example_that_serves_runs_until_it_is_ended(environ: Environ, example: str) -> None:
    environ["ATELIER_JWT_SECRET"] = "s" * 32
    with started(environ, [*COMMAND, *shlex.split(example)], stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if example == "serve":
            process.stdin.close()
        else:
            assert any("http://127.0.0.1:" in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
        assert process.wait(LONG) == (0 if example == "serve" else 130)


def test_neither_version_nor_help_waits_for_a_library(environ: Environ) -> None:
    for option in ("--version", "--help"):
        command = [sys.executable, "-X", "importtime", *COMMAND[1:], option]
        done = subprocess.run(command, env=like_a_host(environ), capture_output=True, text=True, timeout=60, check=True)
        loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert not loaded & {"cyclopts", "rich", "pydantic", "anyio", "mcp", "attrs"}, option
    assert all(f"\n  {command.name} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("name", [parameters(c.name, is_fast=c.name in ("generate", "init")) for c in COMMANDS])
def test_the_help_of_a_command_loads_nothing_of_what_it_does(environ: Environ, name: str) -> None:
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], name, "--help"]
    done = subprocess.run(command, env=like_a_host(environ), capture_output=True, text=True, timeout=60, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert f"Usage: atelier {name}" in done.stdout
    assert "atelier.server.cli.entry" in loaded
    heavy = ("httpx2", "sqlalchemy", "PIL", "mcp", "atelier.server.settings", "atelier.providers.transport",
             "atelier.providers.vendors", "atelier.providers.jobs")  # fmt: skip
    assert not [module for module in loaded if module.startswith(heavy)]
    assert ("pydantic" in loaded) == (name in ("generate", "edit", "cost", "models"))


def test_a_server_that_a_host_starts_loads_nothing_of_the_command_line(environ: Environ) -> None:
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], "serve"]
    done = subprocess.run(
        command, env=like_a_host(environ), input="", capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "mcp.server.mcpserver.server" in loaded
    assert not [name for name in loaded if name.startswith(("cyclopts", "rich.text", "rich.logging"))]


def quickest(environ: Environ, *command: str) -> float:
    """The seconds of the processor that a start takes: those on the wall depend on what else runs here."""
    took = list[float]()
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], env=like_a_host(environ), capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(took)


@exhaustive
@pytest.mark.parametrize(("option", "seconds"), [("--version", 0.15), ("--help", 0.3)])
def test_version_and_help_are_there_at_once(environ: Environ, option: str, seconds: float) -> None:
    assert quickest(environ, *COMMAND[1:], option) - quickest(environ, "-c", "pass") < seconds


@exhaustive
@pytest.mark.parametrize("name", ["generate", "models", "list"])
def test_the_help_of_a_command_takes_little_longer_than_its_libraries(environ: Environ, name: str) -> None:
    libraries = quickest(environ, "-c", "import cyclopts, pydantic.fields, rich.console")
    assert quickest(environ, *COMMAND[1:], name, "--help") < 2.2 * libraries  # it was 3.5 times as long


def test_a_word_that_is_nearly_a_command_or_means_one_is_understood(environ: Environ) -> None:
    for word, meant in (("generat", "generate"), ("estimate", "cost")):
        done = atelier(environ, word, "a fox")
        assert (done.returncode, done.stdout) == (2, "")
        assert f'Did you mean "{meant}"? `atelier --help` lists the commands.' in done.stderr


def test_a_person_who_names_no_command_gets_the_help(environ: Environ) -> None:
    shown = in_terminal(environ)
    assert shown.code == 0
    assert shown.text == atelier(environ, "--help").stdout
    assert max(map(len, shown.lines)) <= 80


def test_options_of_the_default_command_may_come_first_and_belong_together(environ: Environ) -> None:
    for arguments in (("--port", "5"), ("--host", "::1", "serve")):
        done = atelier(environ, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "needs --http" in done.stderr
    assert "99999" in atelier(environ, "serve", "--http", "--port", "99999").stderr


def test_a_dash_reads_the_prompt_from_standard_input(with_openai: Environ, openai: OpenAI) -> None:
    arguments = ("generate", "-", "--quality", "low")
    assert atelier(with_openai, *arguments, stdin="--a fox\nin the rain\n").returncode == 0
    assert openai.requests[-1].json["prompt"] == "--a fox\nin the rain"
    empty = atelier(with_openai, *arguments, stdin=" \n")
    assert empty.returncode == 2
    assert "PROMPT is empty" in empty.stderr
    assert len(openai.requests) == 1


@pytest.mark.parametrize(
    "words", [("show", "-"), ("rm", "-", "--yes"), ("init", "-"), ("generate", "x", "--model", "-"), ("jobs", "x", "-")]
)
def test_a_dash_elsewhere_is_a_dash(environ: Environ, words: tuple[str, ...]) -> None:
    done = atelier(environ, *words, stdin="never read")
    assert done.returncode in (1, 2)
    assert "\0" not in done.stderr
    assert "never read" not in done.stderr


def test_a_dash_may_be_the_name_of_a_file(environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert atelier(environ, "gallery", "-", "--no-open").returncode == 0
    assert (tmp_path / "-").is_file()


def test_in_a_terminal_a_spinner_counts(environ: Environ) -> None:
    shown = in_terminal(environ, "generate", "a fox", "--n", "3", "--size", "64x64")
    assert shown.code == 0
    assert "0 of 3  " in shown.raw
    assert "0:00:00" in shown.raw


@exhaustive
def test_json_is_indented_and_heads_are_bold_unless_a_person_wants_no_colour(environ: Environ) -> None:
    assert atelier(environ, "generate", "a fox", "--size", "64x64").returncode == 0
    told = in_terminal(environ, "show", "last", "--json").text
    assert told.startswith('{\n  "')
    assert json.loads(told)["width"] == 64
    assert "\x1b[1m" in in_terminal(environ, "models").raw
    assert "\x1b[" not in in_terminal(environ | {"NO_COLOR": "1"}, "models").raw


@exhaustive
def test_a_person_is_asked_about_a_price(with_openai: Environ, openai: OpenAI) -> None:
    with_openai["ATELIER_CONFIRM_ABOVE"] = "0.001"
    fox = ("generate", "a fox", "--quality", "low", "--size", "1024x1024")
    refused = in_terminal(with_openai, *fox, typed={"[y/N]": "n\n"})
    assert refused.code == 1
    assert "[y/N]" in refused.raw
    assert "you declined" in refused.text
    assert openai.requests == []
    assert in_terminal(with_openai, *fox, typed={"[y/N]": "y\n"}).code == 0
    assert len(openai.requests) == 1


@pytest.mark.parametrize("shell", [parameters(s, is_fast=s == "bash") for s in ("bash", "zsh", "fish", "powershell")])
def test_completion_knows_commands_options_and_choices(environ: Environ, shell: str) -> None:
    script = atelier(environ, "completion", shell).stdout
    for word in ("generate", "--output-format", "webp", "--state"):
        assert word in script or word.removeprefix("--") in script
