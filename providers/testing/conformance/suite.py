"""The suite that every vendor passes: a test module derives a class from `ProviderConformance` with its benches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from atelier.providers.testing.conformance.bench import Bench
from atelier.providers.testing.conformance.cases import CASES, with_speed
from atelier.providers.testing.conformance.failure_promises import FailurePromises
from atelier.providers.testing.conformance.interruption_promises import InterruptionPromises
from atelier.providers.testing.conformance.option_promises import OptionPromises
from atelier.providers.testing.conformance.request_promises import RequestPromises
from atelier.providers.testing.server import Emulator


class ProviderConformance(OptionPromises, RequestPromises, FailurePromises, InterruptionPromises):
    """One test for each promise, for each of `benches`. `slow` marks the cases beyond a sample of each kind."""

    benches: ClassVar[tuple[Bench, ...]] = ()
    slow: ClassVar[tuple[pytest.MarkDecorator, ...]] = ()
    pytestmark = pytest.mark.anyio

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize each test by the cases that its argument names."""
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
