"""The suite that every vendor passes: a test module derives a class from `ProviderConformance` with its benches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.testing.conformance.cases import CASES, with_speed
from atelier.providers.testing.conformance.exchange import ExchangePromises
from atelier.providers.testing.conformance.failing import FailurePromises
from atelier.providers.testing.conformance.leaving import LeavingPromises
from atelier.providers.testing.conformance.matrix import MatrixPromises
from atelier.providers.testing.server import Emulator


class ProviderConformance(MatrixPromises, ExchangePromises, FailurePromises, LeavingPromises):
    """One test for each promise, for each of `benches`. `slow` marks the cases beyond a sample of each kind."""

    benches: ClassVar[tuple[Bench, ...]] = ()
    slow: ClassVar[tuple[pytest.MarkDecorator, ...]] = ()
    pytestmark = pytest.mark.anyio

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """The argument of a test says on what it is tried."""
        for name in (name for name in CASES if name in metafunc.fixturenames):
            found = [(bench, *case) for bench in self.benches for case in with_speed(bench, CASES[name](bench))]
            cases = [
                pytest.param(bench, case, id=f"{bench.name}: {words}", marks=() if is_fast else self.slow)
                for bench, case, words, is_fast in found
            ]
            metafunc.parametrize(("bench", name), cases)
            return
        if "bench" in metafunc.fixturenames:
            metafunc.parametrize("bench", self.benches, ids=lambda bench: bench.name)

    @pytest.fixture
    def host(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
        """An emulator for one test; there is no pause between tries, except what the vendor asks for."""

        def least(low: float, high: float) -> float:
            return low

        monkeypatch.setattr("random.uniform", least)
        host = bench.host()
        with host.serving():
            bench.stage(host, monkeypatch)
            yield host

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The event loop of every test."""
        return "asyncio"
