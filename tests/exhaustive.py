"""What `uv run pytest` tries, and what waits for `uv run pytest -m exhaustive`.

The fast part holds each promise's main test and a sample of every long list of cases. The marker `exhaustive` is on all
other cases, and, in a run that selects it, on the tests that draw examples by chance: these draw more of them then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import settings

FAST_EXAMPLES = 25
EXHAUSTIVE_EXAMPLES = 200

exhaustive = pytest.mark.exhaustive

settings.register_profile("fast", deadline=None, max_examples=FAST_EXAMPLES)  # no machine has to be fast
settings.register_profile("exhaustive", deadline=None, max_examples=EXHAUSTIVE_EXAMPLES)

Case = TypeVar("Case")


def is_selected(config: pytest.Config) -> bool:
    """Return whether this run tries the exhaustive part."""
    return "not exhaustive" not in str(config.getoption("markexpr"))


def examples(count: int) -> int:
    """Return how many examples a test draws that draws `count` in an exhaustive run."""
    return count if settings.get_current_profile_name() == "exhaustive" else min(count, FAST_EXAMPLES)


def parameters(*values: Any, is_fast: bool, id: str | None = None) -> pytest.ParameterSet:
    """Return one case for `parametrize`."""
    return pytest.param(*values, id=id, marks=() if is_fast else exhaustive)


def sample(
    cases: Iterable[Case], fast: Collection[Case], id: Callable[[Case], str] | None = None
) -> list[pytest.ParameterSet]:
    """Return the cases for `parametrize`, a tuple being several arguments; those outside `fast` are exhaustive."""
    found = list(cases)
    unknown = [case for case in fast if case not in found]
    assert unknown == [], "the fast part names cases that do not exist"
    return [parameters(*values_of(case), is_fast=case in fast, id=id(case) if id else None) for case in found]


def values_of(case: object) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)  # pyright: ignore[reportUnknownVariableType] - of any kind
