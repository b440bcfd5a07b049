"""`atelier keys` and `atelier config`: where keys are kept, that a start finds them, and that none is ever printed."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from atelier.providers.testing.emulators.openai import OpenAI
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier
from tests.server.cli.terminal import COMMAND, in_terminal
from tests.server.process import like_a_host

HOST = '[[hosts]]\nname = "mine"\nurl = "http://127.0.0.1:9/v1"\nkey = "MINE_KEY"\nmodels = ["m"]\n'
OWN = f"# my own\nwait_seconds = 3\n\n{HOST}"


@pytest.fixture
def config(environ: Environ, openai: OpenAI, tmp_path: Path) -> Path:
    """The configuration file of an environment whose vendor is OpenAI's emulator, without a key."""
    environ |= {"ATELIER_CONFIG": str(tmp_path / "etc" / "config.toml"), "OPENAI_BASE_URL": openai.url}
    return tmp_path / "etc" / "config.toml"


def store(environ: Environ, key: str, *options: str) -> subprocess.CompletedProcess[str]:
    return atelier(environ, "keys", "set", "openai", *options, stdin=f"{key}\n")


def test_a_stored_key_is_found_by_the_next_start_and_only_its_owner_can_read_it(
    environ: Environ, openai: OpenAI, config: Path
) -> None:
    done = store(environ, openai.key)
    assert done.returncode == 0, done.stderr
    assert str(config) in done.stdout
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert atelier(environ, "generate", "a fox", "--quality", "low").returncode == 0
    assert openai.requests[-1].headers["authorization"] == f"Bearer {openai.key}"
    told = json.loads(atelier(environ, "keys", "--json").stdout)
    (own,) = [each for each in told if each["set"]]
    assert own == {"vendor": "openai", "set": True, "variable": "OPENAI_API_KEY",
                   "from": f"openai_api_key in {config}"}  # fmt: skip
    shown = [atelier(environ, *each) for each in (("keys",), ("config",), ("config", "--json"))]
    assert all(openai.key not in each.stdout + each.stderr for each in (done, *shown))
    assert "OPENAI_API_KEY" in shown[1].stdout
    for each, place in ((shown[0], str(config)), (shown[1], "the file")):  # without the variable's name again
        (row,) = [line for line in each.stdout.splitlines() if "OPENAI_API_KEY" in line]
        assert row.endswith(f"  {place}")
    assert shown[1].stdout.startswith(f"file    {config}\n")
    for command in ("keys", "config"):
        lines = in_terminal(environ, command, columns=80).lines
        assert not any("…" in line for line in lines)
        assert max(map(len, lines)) <= 80 or str(config) in max(lines, key=len)


def test_a_persons_own_lines_stay_and_a_key_is_removed(environ: Environ, openai: OpenAI, config: Path) -> None:
    config.parent.mkdir()
    config.write_text(OWN, encoding="utf-8")
    assert store(environ, "sk-first").returncode == 0
    assert store(environ, "sk-second").returncode == 0
    assert "sk-first" not in config.read_text(encoding="utf-8")
    assert atelier(environ, "keys", "rm", "openai").returncode == 0
    assert config.read_text(encoding="utf-8") == OWN
    assert atelier(environ, "keys", "rm", "openai").returncode == 1


def test_the_key_of_a_compatible_host_is_listed_as_any_other(environ: Environ, config: Path) -> None:
    config.parent.mkdir()
    config.write_text(HOST, encoding="utf-8")
    told = json.loads(atelier(environ | {"MINE_KEY": "sk-mine-0123456789"}, "keys", "--json").stdout)
    assert [each for each in told if each["set"]] == [
        {"vendor": "mine", "set": True, "variable": "MINE_KEY", "from": "MINE_KEY in the environment"}
    ]


@exhaustive
def test_a_key_is_typed_unseen(environ: Environ, config: Path) -> None:
    shown = in_terminal(environ, "keys", "set", "openai", typed={"OPENAI_API_KEY of OpenAI (not shown)": "sk-typed\n"})
    assert shown.code == 0, shown.text
    assert "sk-typed" not in shown.raw
    assert 'openai_api_key = "sk-typed"' in config.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["", "a b", "a\nb"])
def test_what_is_no_key_is_not_stored(environ: Environ, config: Path, key: str) -> None:
    assert store(environ, key).returncode == 2
    assert not config.exists()


@pytest.mark.parametrize(
    "words",
    [("set", "openai", "{key}"), ("set", "{key}"), ("{key}",), ("set", "openai", "--key={key}"), ("set", "--{key}")],
)
def test_a_key_on_the_command_line_is_not_printed(environ: Environ, config: Path, words: tuple[str, ...]) -> None:
    key = "sk-proj-0123456789abcdefghij"
    done = atelier(environ, "keys", *(word.format(key=key) for word in words))
    assert (done.returncode, done.stdout) == (2, "")
    assert key not in done.stderr
    assert "`atelier keys" in done.stderr
    assert not config.exists()


def test_a_vendor_that_is_mistyped_is_named(environ: Environ) -> None:
    assert "Did you mean “openai”?" in atelier(environ, "keys", "set", "opnai").stderr


def test_a_file_that_cannot_be_written_is_one_sentence(environ: Environ) -> None:
    done = store(environ | {"ATELIER_CONFIG": "/dev/null"}, "sk-x")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "cannot be written" in done.stderr


BACKEND = """
import json, pathlib
from keyring.backend import KeyringBackend

class Kept(KeyringBackend):
    priority = 9
    file = pathlib.Path({file!r})

    def _all(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {{}}

    def get_password(self, service, username):
        return self._all().get(f"{{service}} {{username}}")

    def set_password(self, service, username, password):
        self.file.write_text(json.dumps({{**self._all(), f"{{service}} {{username}}": password}}))

    def delete_password(self, service, username):
        found = self._all()
        del found[f"{{service}} {{username}}"]
        self.file.write_text(json.dumps(found))
"""


@exhaustive
def test_a_keyring_is_preferred_to_the_file(environ: Environ, openai: OpenAI, config: Path, tmp_path: Path) -> None:
    (tmp_path / "kept.py").write_text(BACKEND.format(file=str(tmp_path / "ring.json")), encoding="utf-8")
    environ |= {"PYTHON_KEYRING_BACKEND": "kept.Kept", "PYTHONPATH": str(tmp_path)}

    def run(*arguments: str, stdin: str = "") -> str:
        settings = like_a_host(environ)
        done = subprocess.run(
            [*COMMAND, *arguments], env=settings, input=stdin, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert "the system's keyring" in run("keys", "set", "openai", stdin=openai.key)
    assert openai.key not in config.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "ring.json").read_text()) == {"atelier OPENAI_API_KEY": openai.key}
    run("generate", "a fox", "--quality", "low")
    assert openai.requests[-1].headers["authorization"] == f"Bearer {openai.key}"
    run("keys", "rm", "openai")
    assert json.loads((tmp_path / "ring.json").read_text()) == {}
    assert str(config) in run("keys", "set", "openai", "--file", stdin=openai.key)


def test_a_keyring_that_is_gone_is_one_sentence(environ: Environ, config: Path) -> None:
    config.parent.mkdir()
    config.write_text('openai_api_key = "keyring"\n', encoding="utf-8")
    with patch.dict(sys.modules, {"keyring": None}):
        done = atelier(environ, "generate", "a fox")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "OPENAI_API_KEY is in the system's keyring" in done.stderr


def test_the_configuration_says_where_each_setting_is_from_and_hides_credentials(
    environ: Environ, config: Path, tmp_path: Path
) -> None:
    environ |= {
        "ATELIER_JWT_SECRET": "very secret words of mine",
        "ATELIER_S3_ENDPOINT_URL": "http://me:pass@s3.example",
    }
    told = json.loads(atelier(environ, "config", "--json").stdout)
    found = {each["variable"]: (each["value"], each["from"]) for each in told["set"]}
    assert (told["file"], told["exists"]) == (str(config), False)
    assert found["ATELIER_STATE_DIR"] == (str(tmp_path / "state"), "ATELIER_STATE_DIR in the environment")
    assert found["ATELIER_JWT_SECRET"][0] == "set"
    assert found["ATELIER_S3_ENDPOINT_URL"][0] == "http://…@s3.example"
