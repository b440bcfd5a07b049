"""The test kit of the wheel: a vendor of another distribution runs its suite outside of the repository."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.exhaustive import exhaustive, sample
from tests.wheel import Wheel, installed

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """An environment with the wheel, its extra `testing`, and the plugin."""
    wheel = installed(tmp_path_factory.mktemp("kit"), extras="[testing]")
    wheel.install("--no-deps", PLUGIN)
    return wheel


def outcome(kit: Wheel, folder: Path, *arguments: str) -> tuple[int, int]:
    """Return how many tests of the vendor passed, and how many failed."""
    out = kit.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_dots.py", *arguments, cwd=folder, fails=True)
    passed, failed = (re.search(rf"(\d+) {word}", out) for word in ("passed", "failed"))
    return int(passed[1]) if passed else 0, int(failed[1]) if failed else 0


@exhaustive
def test_a_vendor_of_another_distribution_passes_the_suite(kit: Wheel, tmp_path: Path) -> None:
    shutil.copy(PLUGIN / "dots_conformance.py", tmp_path / "test_dots.py")
    passed, failed = outcome(kit, tmp_path)
    assert (passed > 60, failed) == (True, 0)


BREAKS = {
    "prompt": ('"prompt": job.request.prompt', '"prompt": "a hen"'),
    "moderation": ("if moderated else", "if not moderated else"),
    "retry-after": ("retry_after=retry_after(response.headers)", "retry_after=None"),
    "hint": ('hint="Change the request as the message says."', 'hint=""'),
    "operations": ("frozenset({Operation.GENERATE})", "frozenset(Operation)"),
    "cost": ("cost_usd=Decimal(0)", "cost_usd=None"),
}
"""A promise -> a piece of the vendor, and what breaks the promise in its place."""


@exhaustive
@pytest.mark.parametrize("promise", sample(list(BREAKS), ["prompt"]))
def test_a_vendor_that_breaks_a_promise_does_not(kit: Wheel, tmp_path: Path, promise: str) -> None:
    kept, broken = BREAKS[promise]
    code = (PLUGIN / "atelier_dots.py").read_text(encoding="utf-8")
    assert code.count(kept) == 1
    (tmp_path / "atelier_dots.py").write_text(code.replace(kept, broken), encoding="utf-8")
    shutil.copy(PLUGIN / "dots_conformance.py", tmp_path / "test_dots.py")
    assert outcome(kit, tmp_path, "-x")[1] == 1


def test_it_draws_from_the_library(kit: Wheel, tmp_path: Path) -> None:
    program = "from atelier.providers import generate_sync as g; print(g('a fox', model='dots').provider)"
    assert kit.python("-c", program, cwd=tmp_path) == "dots\n"


FIXTURES = """
import pytest
from atelier.providers import generate_sync
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.vendors.registry import built_in_providers

pytest_plugins = ["atelier.providers.testing.fixtures"]


def test_a_call_reaches_the_emulator(openai_emulator: OpenAI) -> None:
    generate_sync("a fox", model="openai", environ=openai_emulator.environ_for("openai"))
    assert [asked.path for asked in openai_emulator.requests] == ["/v1/images/generations"]


@pytest.mark.parametrize("vendor", built_in_providers(), ids=lambda p: p.name)
def test_each_vendor_has_one(vendor, request: pytest.FixtureRequest) -> None:
    if vendor.name == "sketch":
        return  # it draws in this process
    emulator = request.getfixturevalue(vendor.name.replace("-", "_") + "_emulator")
    assert emulator.environ_for(vendor.name)[vendor.endpoint.base_url_variable] == emulator.url
"""


def test_the_fixtures_serve_every_vendor(kit: Wheel, tmp_path: Path) -> None:
    (tmp_path / "test_fixtures.py").write_text(FIXTURES, encoding="utf-8")
    out = kit.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_fixtures.py", cwd=tmp_path)
    assert re.search(r"1\d passed", out), out
