"""The suite that every vendor passes: a test module derives a class from `ProviderConformance` with its benches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.testing.conformance.cases import CASES, with_speed
from atelier.providers.testing.conformance.failure_promises import FailurePromises
from atelier.providers.testing.conformance.interruption_promises import InterruptionPromises
from atelier.providers.testing.conformance.option_promises import OptionPromises
from atelier.providers.testing.conformance.request_promises import RequestPromises
from atelier.providers.testing.server import Emulator

BRIEF = (
    "test_an_offered_operation_makes_a_picture_of_what_was_prepared",
    "test_a_prompt_alone_sends_only_what_the_vendor_needs",
    "test_an_image_that_a_killed_process_had_ordered_is_collected_once_and_not_ordered_again",
)
"""Promises that are tried of every vendor in a fast run."""


class ProviderConformance(OptionPromises, RequestPromises, FailurePromises, InterruptionPromises):
    """One test for each promise, for each of `benches`. `slow` marks the cases beyond a sample of each kind.

    Of the vendors in `brief` only the first case of the promises in BRIEF is in that sample.
    """

    benches: ClassVar[tuple[Bench, ...]] = ()
    slow: ClassVar[tuple[pytest.MarkDecorator, ...]] = ()
    brief: ClassVar[frozenset[str]] = frozenset()
    pytestmark = pytest.mark.anyio

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize each test by the cases that its argument names."""
        for name in (name for name in CASES if name in metafunc.fixturenames):
            cases = list[Any]()
            for bench in self.benches:
                for number, (case, words, is_fast) in enumerate(with_speed(bench, CASES[name](bench))):
                    in_brief = metafunc.function.__name__ in BRIEF and number == 0
                    fast = in_brief if bench.name in self.brief else is_fast
                    cases.append(
                        pytest.param(bench, case, id=f"{bench.name}: {words}", marks=() if fast else self.slow)
                    )
            metafunc.parametrize(("bench", name), cases)
            return
        if "bench" in metafunc.fixturenames:
            marks = {bench.name: self.slow if bench.name in self.brief else () for bench in self.benches}
            cases = [pytest.param(bench, id=bench.name, marks=marks[bench.name]) for bench in self.benches]
            metafunc.parametrize("bench", cases)

    @pytest.fixture
    def host(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
        """Serve an emulator for one test. Retries do not wait, unless the vendor asks for it."""

        def shortest_wait(low: float, high: float) -> float:
            return low

        monkeypatch.setattr("random.uniform", shortest_wait)
        host = bench.host()
        with host.serving():
            bench.stage(host, monkeypatch)
            yield host

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The event loop of every test."""
        return "asyncio"
