"""The fast part and the exhaustive part of this suite: what each of them tries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.testing.conformance.cases import CASES, kind_of, row_of, with_speed
from tests.conformance.benches import BENCHES
from tests.exhaustive import exhaustive, sample

ROOT = Path(__file__).parents[1]


def test_the_marker_is_known_and_a_misspelt_one_is_an_error(pytestconfig: pytest.Config) -> None:
    markers: list[str] = pytestconfig.getini("markers")
    assert [marker for marker in markers if marker.startswith("exhaustive:")], "pyproject.toml registers `exhaustive`"
    assert pytestconfig.getoption("strict_markers"), "addopts has --strict-markers"


def test_a_plain_run_leaves_the_exhaustive_part_out_and_ci_runs_both(pytestconfig: pytest.Config) -> None:
    options: list[str] = pytestconfig.getini("addopts")
    assert options[options.index("-m") + 1] == "not exhaustive", "addopts deselects the exhaustive part"
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert {"uv run pytest", "uv run pytest -m exhaustive"} <= {*commands}, ".ci/run runs both parts"


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.name)
def test_the_fast_part_holds_each_vendors_default_row_and_a_case_of_every_kind(bench: Bench) -> None:
    for name, cases in CASES.items():
        all_cases = list(with_speed(bench, cases(bench)))
        fast = [case for case, _, is_fast in all_cases if is_fast]
        row = [case for case, *_ in all_cases if row_of(bench, case) is bench.default]
        assert [case for case in row if case not in fast] == [], f"{name}: the row of the default model is whole"
        assert {kind_of(case) for case, *_ in all_cases} == {kind_of(case) for case in fast}, f"{name}: every kind"


def test_a_sample_marks_the_other_cases() -> None:
    one, two = sample(["a", "b"], ["b"]), sample([("c", 1), ("d", 2)], [("c", 1)], id=lambda case: case[0].upper())
    assert [(each.values, each.id) for each in (*one, *two)] == [
        (("a",), None), (("b",), None), (("c", 1), "C"), (("d", 2), "D"),
    ]  # fmt: skip
    assert [exhaustive in each.marks for each in (*one, *two)] == [True, False, False, True]


def test_a_sample_of_a_case_that_does_not_exist_is_a_mistake() -> None:
    fast: Any = ["c"]
    with pytest.raises(AssertionError, match="do not exist"):
        sample(["a", "b"], fast)
