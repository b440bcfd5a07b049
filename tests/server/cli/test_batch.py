"""`atelier generate --batch`: one budget, a row per line, and a repeat that pays for nothing twice."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import LONG
from tests.conftest import Environ, files_in
from tests.exhaustive import exhaustive
from tests.server.cli.in_process import atelier
from tests.server.cli.terminal import COMMAND
from tests.server.process import like_a_host

OPTIONS = ("--quality", "low", "--size", "1024x1024")


def prompts(folder: Path, *lines: str, name: str = "prompts.txt") -> str:
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return str(folder / name)


def test_an_interrupted_batch_goes_on_without_a_second_bill(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    file = prompts(tmp_path, "a fox", "# a comment", "a cat", "", "an owl", "a fox")
    command = [*COMMAND, "generate", "--batch", file, *OPTIONS]
    second = Held()
    openai.next(None, second)
    first = subprocess.Popen(command, env=like_a_host(with_openai), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    second.wait()
    first.send_signal(signal.SIGINT)
    second.go.set()
    first.communicate(timeout=LONG)
    assert first.returncode == 130
    assert len(openai.requests) == 2
    done = atelier(with_openai, *command[3:], "--confirm-cost", "--output", str(tmp_path / "drafts"))
    assert done.returncode == 0, done.stderr
    assert "2 of 4 were made before and are not paid for again." in done.stderr
    assert len(openai.requests) == 4
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == ["1", "3", "5", "6"]
    assert len(files_in(tmp_path / "drafts")) == 4
    spent = json.loads(atelier(with_openai, "spend", "--json").stdout)["rows"]
    assert [row["calls"] for row in spent] == [4]


@exhaustive
def test_after_a_crash_only_what_was_made_counts_as_made_and_the_rest_is_priced_again(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    file = prompts(tmp_path, "a fox", "a cat", "an owl")
    command = [*COMMAND, "generate", "--batch", file, *OPTIONS]
    second = Held()
    openai.next(None, second)
    first = subprocess.Popen(command, env=like_a_host(with_openai), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    second.wait()
    assert first.stdout is not None
    assert b"$" in first.stdout.readline()  # the first image is stored
    first.kill()
    second.go.set()
    first.communicate(timeout=LONG)
    refused = atelier(with_openai, *command[3:], "--budget", "0.001")
    assert (refused.returncode, len(openai.requests)) == (1, 2)
    assert "nothing was sent" in refused.stderr
    done = atelier(with_openai, *command[3:])
    assert (done.returncode, len(openai.requests)) == (1, 3)
    assert "1 of 3 were made before and are not paid for again." in done.stderr
    (unknown,) = [line for line in done.stdout.splitlines() if "failed" in line]
    assert "may have been billed" in unknown
    assert "again within a day" in unknown
    assert "2 of 3 lines made, 1 failed. 1 may have been billed; see above.\n" in done.stderr
    (job,) = re.findall(r"atelier jobs (job_\w+)", unknown)
    assert "unknown" in atelier(with_openai, "jobs", job).stdout
    lines = ["a fox", "a cat", "an owl"]
    lines[int(unknown.split()[0]) - 1] += ", please"  # any of them may have been the second
    prompts(tmp_path, *lines)
    last = atelier(with_openai, *command[3:])
    assert (last.returncode, len(openai.requests)) == (0, 4), last.stdout + last.stderr


def test_a_line_that_failed_is_tried_again_and_the_others_are_not(
    with_openai: Environ, openai: OpenAI, tmp_path: Path
) -> None:
    with_openai["ATELIER_CONCURRENCY"] = "1"
    file = prompts(tmp_path, '{"prompt": "a fox", "quality": "medium"}', '"a cat"', name="prompts.jsonl")
    openai.next(emulated.MODERATED)
    failed = atelier(with_openai, "generate", "--batch", file, *OPTIONS, "--json")
    assert failed.returncode == 1
    told = [json.loads(line) for line in failed.stdout.splitlines()]
    assert {line["status"] for line in told} == {"failed", "done"}
    assert "The same command goes on." in failed.stderr
    assert atelier(with_openai, "generate", "--batch", file, *OPTIONS).returncode == 0
    assert len(openai.requests) == 3
    assert {request.json["quality"] for request in openai.requests} == {"low", "medium"}


def test_a_batch_has_one_budget_and_is_refused_whole(with_openai: Environ, openai: OpenAI, tmp_path: Path) -> None:
    file = prompts(tmp_path, "a fox", "a cat", "an owl")
    for environ, options in (
        ({}, ("--budget", "0.01")),
        ({"ATELIER_BUDGET_PER_DAY": "0.01"}, ()),
        ({"ATELIER_CONFIRM_ABOVE": "0.01"}, ()),
    ):
        done = atelier(with_openai | environ, "generate", "--batch", file, *OPTIONS, *options)
        assert (done.returncode, done.stdout) == (1, "")
        assert "nothing was sent" in done.stderr
        assert "$0.01" in done.stderr
    assert openai.requests == []
    wrong = atelier(with_openai, "generate", "--batch", prompts(tmp_path, '"a fox"', "[1]", name="p.jsonl"))
    assert (wrong.returncode, wrong.stderr) == (2, "atelier: Line 2 is no JSON object with a prompt.\n")
    mistyped = prompts(tmp_path, '{"promt": "a fox"}', name="mistyped.jsonl")
    assert atelier(with_openai, "generate", "--batch", mistyped).stderr == (
        "atelier: Line 1: The argument “prompt” is missing; there is no parameter “promt” (did you mean “prompt”?).\n"
    )
