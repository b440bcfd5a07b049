"""`atelier jobs`: what became of what was asked for, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from sqlalchemy import update

from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Dropped
from atelier.server.composition import job_store_of
from atelier.server.database.schema import jobs
from atelier.server.main import main
from atelier.server.settings import Settings
from tests.conftest import Environ, files_in

FOX = ("a fox \x1b[31m in the rain, oil painting on a very large canvas", "--quality", "low", "--size", "1024x1024")


@pytest.fixture(autouse=True)
def _mine(with_openai: Environ, monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:  # pyright: ignore[reportUnusedFunction]
    for name, value in with_openai.items():
        monkeypatch.setenv(name, value)


def exit_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


@pytest.fixture
def history(openai: OpenAI, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The ids of three jobs, the newest first: refused, perhaps billed, done."""
    openai.next(None, Dropped(), emulated.MODERATED)
    assert exit_of("generate", *FOX) == 0
    assert exit_of("generate", "an owl", "--quality", "low", "--size", "1024x1024") == 1
    assert exit_of("generate", "a cat", "--quality", "low", "--size", "1024x1024") == 1
    capsys.readouterr()
    assert exit_of("jobs", "--json") == 0
    return [job["id"] for job in json.loads(capsys.readouterr().out)]


def test_the_newest_jobs_come_first_with_what_they_cost_or_may_have_cost(
    history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of("jobs") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["job", "begun", "(UTC)", "state", "images", "cost", "delivered", "model", "prompt"]
    assert [line.split()[0] for line in lines] == history
    failed, unknown, done = lines
    assert ("failed" in failed, " $0  " in failed and failed.endswith("  a cat"), " 0/1 " in failed) == (
        True,
        True,
        True,
    )
    assert ("unknown" in unknown, " up to $0.0059  no  " in unknown, "  an owl" in unknown) == (True, True, True)
    assert ("done" in done, " yes " in done, " 1/1 " in done) == (True, True, True)
    assert "openai/gpt-image-2.5-flare" in done
    assert done.endswith("a fox [31m in the rain, oil painting on…")
    assert len({line.index("openai/") for line in lines}) == 1  # aligned


def test_the_list_is_narrowed_by_state_and_number(history: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of("jobs", "--state", "unknown", "--json") == 0
    (dark,) = json.loads(capsys.readouterr().out)
    assert (dark["id"], dark["state"], dark["delivered"], dark["cost_known"]) == (history[1], "unknown", False, False)
    assert dark["cost_usd"] == pytest.approx(0.0059, abs=1e-4)
    assert dark["calls"][0]["state"] == "unknown"
    assert exit_of("jobs", "--limit", "1", "--json") == 0
    assert [job["id"] for job in json.loads(capsys.readouterr().out)] == history[:1]
    assert exit_of("jobs", "--state", "running") == 0
    assert capsys.readouterr().out == "No job is running.\n"
    assert exit_of("jobs", "--limit", "0") == 2


def test_one_job_is_told_with_its_calls_its_pictures_and_its_reason(
    history: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of("jobs", history[2]) == 0
    done = capsys.readouterr().out
    assert "a fox [31m in the rain, oil painting on a very large canvas" in done
    assert "settled, 1 of 1" in done
    (picture,) = [line.split()[-1] for line in done.splitlines() if line.startswith("image")]
    assert exit_of("show", picture) == 0
    capsys.readouterr()
    assert exit_of("jobs", history[1]) == 0
    dark = capsys.readouterr().out
    assert "unknown, 0 of 1" in dark
    assert "\nreason     network_error: " in dark
    assert exit_of("jobs", history[0], "--json") == 0
    assert json.loads(capsys.readouterr().out)["outcome"]["reason"] == "content_policy"


def test_the_vendors_own_name_of_the_work_is_told(history: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    async def noted() -> None:
        job_store = job_store_of(Settings.from_environ())
        await job_store.save_vendor_task((await job_store.list_calls(history[1]))[0].id, {"id": "task-77"})
        await job_store.aclose()

    anyio.run(noted)
    assert exit_of("jobs", history[1]) == 0
    assert "0 of 1, task task-77" in capsys.readouterr().out


def test_a_job_whose_call_runs_shows_what_has_landed(history: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    async def landed() -> None:
        job_store = job_store_of(Settings.from_environ())
        await job_store.add_asset(history[1], (await job_store.list_calls(history[1]))[0].id, "img_1")
        await job_store.database.write(lambda c: c.execute(update(jobs).values(state="running", finished_at=None)))
        await job_store.aclose()

    anyio.run(landed)
    assert exit_of("jobs", "--state", "running") == 0
    (told,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(history[1])]
    assert " 1/1 " in told


def test_an_unknown_job_is_refused_and_looking_leaves_nothing_behind(
    with_openai: Environ, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_of("jobs") == 0
    assert capsys.readouterr().out == "No jobs yet; free drafts are not recorded.\n"
    assert exit_of("jobs", "job_nobody") == 1
    assert "There is no job job_nobody." in capsys.readouterr().err
    assert not [path for path in files_in(tmp_path) if path.suffix == ".db"]


def test_a_file_in_place_of_the_state_folder_is_told_in_a_sentence(
    with_openai: Environ, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(with_openai["ATELIER_STATE_DIR"]).write_text("in the way")
    for command in (("jobs",), ("spend",), ("generate", *FOX)):
        assert exit_of(*command) == 1
        assert "its folder is a file). Set ATELIER_STATE_DIR to a folder." in capsys.readouterr().err
