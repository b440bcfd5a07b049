"""docs/adding-a-vendor.md: its blocks, in a copy of the repository, make a vendor that passes the tests of the copy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exhaustive import exhaustive

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "adding-a-vendor.md").read_text(encoding="utf-8")
STEP = re.compile(r"^## \d\. .*?`(?P<file>[^`]+)`$(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(?P<kind>python|diff|json)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

TESTS = (
    "tests/test_layers.py",
    "tests/test_generated.py",
    "tests/test_models_docs.py",
    "tests/test_schemas.py",
    "tests/tools/test_list_models.py",
    "tests/providers/catalog/test_catalog.py",
    "tests/providers/pricing/test_price_table.py",
    "tests/providers/pricing/test_price_hints.py",
    "tests/providers/pricing/test_price_figures.py",
)
"""Tests that look at all vendors, besides the conformance suite."""

GENERATED = {"docs/models.md", "docs/vendors.md", "manifest.json", "server.json"}

OTHER_PROCESS = "tests/test_models_docs.py::test_the_command_that_the_page_names_prints_it"
"""It starts the command without PYTHONPATH, so in this checkout."""

PYTEST = ("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider")

PROGRAM = """
from decimal import Decimal
from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.types import ImageRequest
from atelier.providers.pipeline.pipeline import Pipeline
catalog = Catalog({}.get)
assert {catalog.resolve(name).provider.name for name in ("toy", "toy-1", "toy/toy-1", "toy-2-unlisted")} == {"toy"}
pipeline = Pipeline(catalog)
estimate = pipeline.admit(ImageRequest(prompt="a fox", model="toy", count=3)).estimate
assert (estimate.total_usd, estimate.basis) == (Decimal("0.06"), "flat")
request = pipeline.prepare(ImageRequest(prompt="a fox", model="toy", seed=3, aspect_ratio="16:9"))
print(request.url, request.read().decode())
"""


def run(copy: Path, *arguments: str) -> str:
    """Run Python in the copy, whose packages come before those of this checkout."""
    packages = os.pathsep.join([str(copy / "build" / "dev"), str(copy)])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": packages},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


def patched(source: str, diff: str) -> str:
    """Return the source with a change of the page, which has to fit in exactly one place."""
    lines = diff.splitlines(keepends=True)
    before, after = ("".join(line[1:] for line in lines if line[0] in side) for side in (" -", " +"))
    assert source.count(before) == 1, before
    return source.replace(before, after)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository after the steps of the page."""
    copy = tmp_path_factory.mktemp("copy")
    for name in files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    package = copy / "build" / "dev" / "atelier"
    package.mkdir(parents=True)
    for part in ("server", "tools", "providers"):
        shutil.copytree(copy / part, package / part)
        shutil.rmtree(copy / part)
        (copy / part).symlink_to(package / part, target_is_directory=True)
    for step in STEP.finditer(PAGE):
        path = copy / step["file"]
        for block in BLOCK.finditer(step["text"]):
            path.parent.mkdir(exist_ok=True)
            if block["kind"] == "python":
                path.write_text(block["code"], encoding="utf-8")
            elif block["kind"] == "diff":
                path.write_text(patched(path.read_text(encoding="utf-8"), block["code"]), encoding="utf-8")
            else:
                rows = f'"rows": [\n    {block["code"].strip()},\n'
                path.write_text(path.read_text(encoding="utf-8").replace('"rows": [\n', rows, 1), encoding="utf-8")
    run(copy, "-m", "tests.generated")
    return copy


def test_the_vendor_resolves_has_a_price_and_builds_the_request_of_the_page(copy: Path) -> None:
    expected = 'https://api.toy.example/v1/paint {"model":"toy-1","text":"a fox","shape":"16:9","seed":3}\n'
    assert run(copy, "-c", PROGRAM) == expected


@exhaustive
def test_it_passes_the_conformance_suite(copy: Path) -> None:
    done = run(copy, *PYTEST, "-m", "", "tests/test_conformance.py", "-k", "toy")
    assert int(re.findall(r"(\d+) passed", done)[0]) > 50


@exhaustive
def test_no_list_of_vendors_elsewhere_has_to_be_changed(copy: Path) -> None:
    run(copy, *PYTEST, *TESTS, "--deselect", OTHER_PROCESS)


def test_the_steps_touch_the_files_of_the_table(copy: Path) -> None:
    changed = [n for n in files() if (copy / n).read_bytes() != (ROOT / n).read_bytes()]
    steps = {step["file"] for step in STEP.finditer(PAGE)}
    assert set(changed) == {name for name in steps if (ROOT / name).exists()} | GENERATED
    table = re.findall(r"^\| `([^`]+)`(?:, `([^`]+)`)? \|", PAGE, flags=re.MULTILINE)
    listed = {name for row in table for name in row if name}
    assert all(any(name.startswith(each) for each in listed) for name in steps), steps
    assert listed >= GENERATED
