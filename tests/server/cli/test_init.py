"""`atelier init`: the block of every host, and files of a person's own that it is written into."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from atelier.server.cli.setup.host_files import Format, UnchangedError, parsed, with_entry
from atelier.server.cli.setup.hosts import HOSTS, Host
from tests.conftest import Environ
from tests.exhaustive import exhaustive, parameters
from tests.server.cli.in_process import atelier
from tests.server.cli.terminal import in_terminal
from tests.server.process import conversation, hello

WRITTEN = [host for host in HOSTS if host.file]
FAST = ("vscode", "codex", "goose")

JSONC = """\
// my settings
{
  "theme": "dark", // as I like it
  "PLACE": {
    "other": { "command": "other", "args": ["--x", "// no comment"], },
  },
  /* the end */
}
"""
OWN: dict[Format, str] = {
    "json": JSONC,
    "toml": '# mine\nmodel = "o5"\n\n[PLACE.other]\ncommand = "other"\n\n[profiles.x]\nmodel = "y"  # kept\n',
    "yaml": "# mine\nGOOSE_MODEL: x\nPLACE:\n    other: {type: stdio, cmd: other}  # kept\nlast: [1, 2]\n",
}
COMMENTS = {"json": ("// my settings", "// as I like it", "/* the end */"), "toml": ("# mine", "# kept"),
            "yaml": ("# mine", "# kept")}  # fmt: skip


def own_file(host: Host) -> str:
    """A file of a person's own in the host's format, with another server in it."""
    if host.place == ("mcp", "servers"):
        return JSONC.replace('"PLACE": {', '"mcp": { "servers": {').replace(
            'comment"], },\n  },', 'comment"], },\n  } },'
        )
    return OWN[host.format].replace("PLACE", host.place[0])


@pytest.fixture
def home(environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name in ("XDG_CONFIG_HOME", "CODEX_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    environ |= {"HOME": str(home), "ATELIER_CONFIG": ""}
    return home


def entry_in(host: Host, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our entry in a file, and the entries of others beside it."""
    found = parsed(text, host.format)
    for key in host.place:
        found = found[key]
    return found["atelier"], {name: each for name, each in found.items() if name != "atelier"}


@pytest.mark.parametrize("name", [parameters(h.name, is_fast=h.name in FAST) for h in WRITTEN])
def test_a_block_is_written_beside_a_persons_own_entries(environ: Environ, home: Path, name: str) -> None:
    (host,) = [host for host in WRITTEN if host.name == name]
    assert host.file
    file, before = host.file(), own_file(host)
    assert file.is_relative_to(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(before, encoding="utf-8")
    first, again = (atelier(environ | {"ATELIER_CONFIG": "/dev/null"}, "init", name, "--write", "--json") for _ in "12")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert json.loads(again.stdout) == {**told, "backup": None}
    after = file.read_text(encoding="utf-8")
    own, others = entry_in(host, after)
    assert set(others) == {"other"}
    assert all(comment in after for comment in COMMENTS[host.format])
    (backup,) = file.parent.glob("*.bak")
    assert backup.read_text(encoding="utf-8") == before
    command = own.get("command", own.get("cmd"))
    assert [*(command if isinstance(command, list) else [command, *own["args"]])] == told["command"]
    (variables,) = [own[key] for key in ("env", "environment", "envs") if key in own]
    assert variables["ATELIER_CONFIG"] == "/dev/null"
    (listed,) = [each for each in json.loads(atelier(environ, "init", "--json").stdout) if each["host"] == name]
    assert (listed["installed"], listed["command"]) == (True, told["command"])


@pytest.mark.parametrize("name", [parameters(h.name, is_fast=h.name in ("codex", "opencode")) for h in HOSTS])
def test_the_block_of_every_host_is_printed_whole(environ: Environ, home: Path, name: str) -> None:
    (host,) = [host for host in HOSTS if host.name == name]
    done = atelier(environ, "init", name)
    assert done.returncode == 0, done.stderr
    own, others = entry_in(host, done.stdout)
    assert others == {}
    assert "env" not in own or "KEY" not in str(own["env"])
    if name == "codex":
        server = tomllib.loads(done.stdout)["mcp_servers"]["atelier"]
        assert (server["required"], server["default_tools_approval_mode"]) == (True, "approve")
        assert server["env"] == {"ATELIER_STRUCTURED_CONTENT": "off"}
    if host.file is None:
        assert atelier(environ, "init", name, "--write").returncode == 2
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize(
    ("before", "place", "limit"),
    [
        ("", ("mcp", "servers"), {"startup": 60_000}),
        ('{"mcp": {"timeout": {"startup": 5000}}}', ("mcp", "servers"), {"startup": 60_000}),
        ('{"mcp": {"other": {"type": "local", "command": ["x"]}}}', ("mcp",), 300_000),
    ],
)
def test_opencode_gets_the_entry_of_its_version(
    environ: Environ, home: Path, before: str, place: tuple[str, ...], limit: object
) -> None:
    file = home / ".config/opencode/opencode.json"
    file.parent.mkdir(parents=True)
    file.write_text(before)
    assert atelier(environ, "init", "opencode", "--write").returncode == 0
    found = json.loads(file.read_text())
    for key in (*place, "atelier"):
        found = found[key]
    assert found["timeout"] == limit


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("codex", '[mcp_servers.atelier]\ncommand = "old"\n\n[mcp_servers.atelier.env]\nOPENAI_API_KEY = "sk-own"\n'),
        ("goose", "extensions:\n  atelier:\n    cmd: old\n    envs: {OPENAI_API_KEY: sk-own}\n"),
        ("cursor", '{"mcpServers": {"atelier": {"command": "old", "env": {"OPENAI_API_KEY": "sk-own"}}}}'),
    ],
)
def test_the_variables_of_an_entry_stay_when_it_is_written_again(
    environ: Environ, home: Path, name: str, before: str
) -> None:
    (host,) = [host for host in WRITTEN if host.name == name]
    assert host.file
    file = host.file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(before)
    done = atelier(environ, "init", name, "--write")
    assert (done.returncode, "sk-own" in done.stdout + done.stderr) == (0, False)
    own, _ = entry_in(host, file.read_text())
    assert own.get("command", own.get("cmd")) != "old"
    (variables,) = [own[key] for key in ("env", "envs") if key in own]
    assert variables["OPENAI_API_KEY"] == "sk-own"
    assert variables.get("ATELIER_STRUCTURED_CONTENT") == ("off" if name == "codex" else None)


@exhaustive
def test_the_command_of_a_block_starts_the_server(environ: Environ, home: Path) -> None:
    assert atelier(environ, "init", "cursor", "--write").returncode == 0
    server = json.loads((home / ".cursor/mcp.json").read_text(encoding="utf-8"))["mcpServers"]["atelier"]
    answers, _ = conversation(environ, hello("2025-11-25"), command=[server["command"], *server["args"]])
    assert answers[1]["result"]["serverInfo"]["name"] == "atelier"


@pytest.mark.parametrize("own", ["{", "[1]", '{"mcpServers": 3}'])
def test_a_file_that_cannot_be_read_is_left_as_it_is(environ: Environ, home: Path, own: str) -> None:
    (home / ".cursor").mkdir()
    (home / ".cursor/mcp.json").write_text(own)
    done = atelier(environ, "init", "cursor", "--write")
    assert done.returncode == 1
    assert "was left as it is" in done.stderr
    assert "atelier init cursor" in done.stderr
    assert [path.read_text() for path in (home / ".cursor").iterdir()] == [own]


@exhaustive
def test_a_key_is_asked_for_once_and_is_in_no_hosts_file(environ: Environ, home: Path) -> None:
    typed = {"Enter skips": "?\n", "  stability ": "nope\n", "called “nope”": "opena\n", "not shown": "sk-typed\n"}
    shown = in_terminal(environ, "init", "cursor", "--write", typed=typed)
    assert shown.code == 0, shown.text
    assert "Whose do you have: openai, gemini, flux, xai, another?" in shown.text
    assert max(map(len, shown.text.partition("sk-typed")[0].partition("OPENAI_API_KEY of")[0].splitlines())) <= 80
    assert 'openai_api_key = "sk-typed"' in (home / ".config/atelier/config.toml").read_text(encoding="utf-8")
    assert "sk-typed" not in (home / ".cursor/mcp.json").read_text(encoding="utf-8")
    again = in_terminal(environ, "init", "cursor")
    assert again.code == 0
    assert "Whose" not in again.text


def test_hosts_are_found_and_listed(environ: Environ, home: Path) -> None:
    (home / ".codex").mkdir()
    lines = {line.split()[0]: line.split() for line in atelier(environ, "init").stdout.splitlines() if line}
    assert lines["codex"][1:3] == ["yes", "no"]
    assert lines["zed"][1:3] == ["no", "no"]
    assert {host.name for host in HOSTS} <= set(lines)


WORDS = some.text(some.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
PLAIN = some.none() | some.booleans() | some.integers(-9, 9) | WORDS
TABLES = some.recursive(
    PLAIN, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(WORDS, inner, max_size=3)
)


@given(
    some.dictionaries(WORDS, TABLES, max_size=4),
    some.dictionaries(WORDS, TABLES, max_size=3),
    some.sampled_from([None, 2]),
)
def test_no_entry_of_a_json_file_is_lost(found: dict[str, Any], servers: dict[str, Any], indent: int | None) -> None:
    text = json.dumps({**found, "mcpServers": servers}, indent=indent)
    after = json.loads(with_entry(text, "json", ("mcpServers",), {"command": "a"}))
    assert after == {**found, "mcpServers": {**servers, "atelier": {"command": "a"}}}


@given(some.dictionaries(WORDS, TABLES, max_size=4))
def test_no_entry_of_a_yaml_file_is_lost(found: dict[str, Any]) -> None:
    text = yaml.safe_dump(found)
    try:
        after = yaml.safe_load(with_entry(text, "yaml", ("extensions",), {"cmd": "a"}))
    except UnchangedError:
        return
    assert after == {**found, "extensions": {**(found.get("extensions") or {}), "atelier": {"cmd": "a"}}}
