"""`atelier doctor` against a good and a broken set-up, with real vendors' emulators."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.emulators.midjourney import trouble
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.vendors.registry import all_providers
from atelier.server.cli.setup.checks import clock_check, vendor_checks
from atelier.server.settings import Settings
from tests.conformance.benches import BENCHES
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier
from tests.server.cli.terminal import in_terminal

Checks = dict[tuple[str, str], dict[str, Any]]


def checks(environ: Environ) -> tuple[int, Checks]:
    """The exit code and the findings of a run, by area and name."""
    done = atelier(environ, "doctor", "--json")
    told = json.loads(done.stdout)
    assert told["ok"] == (done.returncode == 0)
    return done.returncode, {(each["area"], each["name"]): each for each in told["checks"]}


@pytest.fixture
def home(environ: Environ, tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    environ |= {"HOME": str(home), "CODEX_HOME": "", "XDG_CONFIG_HOME": ""}
    return home


def test_a_good_set_up_is_well_and_leaves_nothing_behind(
    environ: Environ, home: Path, tmp_path: Path, openai: OpenAI, gemini: Gemini, flux: Flux
) -> None:
    environ |= {"OPENAI_API_KEY": openai.key, "OPENAI_BASE_URL": openai.url, "BFL_API_KEY": flux.key}
    environ |= {"BFL_BASE_URL": flux.url, "GOOGLE_API_KEY": gemini.key, "GOOGLE_GEMINI_BASE_URL": gemini.url}
    assert atelier(environ, "init", "cursor", "--write").returncode == 0
    before = files_in(tmp_path)
    code, found = checks(environ)
    assert {key: each for key, each in found.items() if each["state"] == "failed"} == {}
    assert code == 0
    for vendor in ("openai", "gemini", "flux"):
        assert found["vendors", vendor]["message"].endswith("accepts the key")
        assert found["settings", vendor]["message"].startswith("key set: ")
    assert found["system", "clock"]["state"] == "ok"
    assert found["hosts", "cursor"]["message"].startswith("starts /")
    assert found["hosts", "cursor"]["message"].endswith("atelier serve")
    assert files_in(tmp_path) == before
    assert all(emulator.key not in json.dumps(list(found.values())) for emulator in (openai, gemini, flux))
    assert all(request.method == "GET" for emulator in (openai, gemini, flux) for request in emulator.requests)


def test_a_broken_set_up_is_told_with_what_to_do(
    with_openai: Environ, home: Path, openai: OpenAI, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    (home / ".cursor").mkdir()
    server = {"mcpServers": {"atelier": {"command": "/nowhere/atelier", "args": ["serve"]}}}
    (home / ".cursor/mcp.json").write_text(json.dumps(server))
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text("= nonsense")
    broken = {"OPENAI_API_KEY": "sk-wrong", "ATELIER_OUTPUT_DIR": str(tmp_path / "file/x"), "ATELIER_OUTPUTDIR": "x"}
    code, found = checks(with_openai | broken)
    assert code == 1
    bad = {key for key, each in found.items() if each["state"] == "failed"}
    assert bad == {("folders", "images"), ("vendors", "openai"), ("hosts", "cursor"), ("hosts", "codex")}
    assert "Check OPENAI_API_KEY" in found["vendors", "openai"]["hint"]
    assert "ATELIER_OUTPUT_DIR" in found["folders", "images"]["hint"]
    assert "atelier init cursor --write" in found["hosts", "cursor"]["hint"]
    assert "perhaps ATELIER_OUTPUT_DIR" in found["settings", "unused"]["message"]
    assert "sk-wrong" not in json.dumps(list(found.values()))


def test_a_wrong_setting_is_one_finding_and_the_rest_is_checked(environ: Environ, home: Path) -> None:
    code, found = checks(environ | {"ATELIER_WAIT_SECONDS": "soon"})
    assert code == 1
    assert found["settings", "settings"]["message"] == "ATELIER_WAIT_SECONDS is wrong: it should be a number."
    assert found["versions", "atelier"]["state"] == "ok"


def test_a_database_that_cannot_be_used_is_one_finding(
    environ: Environ, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as in an installation without the extra
    for url, message in (
        ("postgresql://atelier@127.0.0.1:9/atelier", "the driver of PostgreSQL is not installed"),
        ("mysql://atelier@127.0.0.1:9/atelier", "it should be a URL of PostgreSQL"),
    ):
        environ["ATELIER_STATE_URL"] = url
        code, found = checks(environ)
        assert code == 1
        assert message in found["database", "jobs"]["message"]
        assert found["versions", "atelier"]["state"] == "ok"
        jobs = atelier(environ, "jobs")
        assert (jobs.returncode, jobs.stdout) == (1, "")
        assert message in jobs.stderr


@exhaustive
def test_a_person_sees_signs_and_hints(environ: Environ, home: Path) -> None:
    shown = in_terminal(environ, "doctor")
    assert shown.code == 0
    assert any(line.startswith("  ✓ ") for line in shown.lines)
    assert "atelier keys set openai" in shown.text
    assert "All is well." in shown.text


def test_a_clock_that_is_off_is_found() -> None:
    now = datetime.now(UTC)
    assert clock_check([now - timedelta(hours=2), now]).state == "ok"
    assert clock_check([now - timedelta(hours=2), now - timedelta(minutes=20)]).message == "It is 20 minutes off."


CHECKED = [bench for bench in BENCHES if bench.provider.free_path]


@pytest.mark.anyio
@pytest.mark.parametrize("bench", CHECKED, ids=[bench.name for bench in CHECKED])
async def test_the_free_call_of_a_vendor_accepts_its_key_and_no_other(bench: Bench, environ: Environ) -> None:
    async def state(key: str) -> list[str]:
        settings = Settings.load(lambda _: None, environ | bench.environ(host, key))
        return [check.state for check in await vendor_checks(settings) if check.name == bench.name]

    host = bench.host()
    with host.serving():
        assert await state(bench.key) == ["ok"]
        if bench.key:
            assert await state("sk-of-another-0123456789") == ["failed"]
        assert [request.path for request in host.requests if request.method != "GET"] == []


@pytest.mark.anyio
async def test_a_key_that_is_refused_with_status_200_is_no_good_key(environ: Environ) -> None:
    (bench,) = [each for each in BENCHES if each.name == "midjourney"]
    host = bench.host()
    with host.serving():
        host.next(trouble(401, "You do not have access permissions", 200))
        settings = Settings.load(lambda _: None, environ | bench.environ(host))
        (found,) = [check for check in await vendor_checks(settings) if check.name == "midjourney"]
    assert (found.state, "Check KIE_API_KEY" in found.hint) == ("failed", True)


def test_midapi_is_asked_by_a_path_of_its_own() -> None:
    """Its paths are kie.ai's except this one, for which kie.ai's answers 404."""
    (provider,) = [each for each in all_providers() if each.name == "midjourney"]
    hosts = {str(dict(provider.endpoint.base_urls)[key]) for key in ("MIDAPI_API_KEY",)}
    assert {f"https://{host}" for host in provider.free_paths} == hosts


def test_the_free_call_of_a_vendor_goes_to_its_own_address() -> None:
    paths = {each.name: each.free_path for each in all_providers() if each.free_path}
    assert len(paths) > 8
    assert all(path.startswith("/") for path in paths.values())
