"""The tally of the fault suite, printed at its end, and the vendors behind their proxies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.emulators.flux import Flux
from tests.emulators.openai import OpenAI
from tests.emulators.xai import XAI
from tests.faults.proxy import Proxy, flux_bill, openai_bill, xai_bill


@dataclass
class Tally:
    """What was tried of one kind of fault, and what came of it."""

    tried: int = 0
    billed: int = 0
    stored: int = 0
    unknown: int = 0
    lost: int = 0
    double: int = 0


TALLIES: dict[str, Tally] = {}


def tally(kind: str) -> Tally:
    """The count for a kind of fault."""
    return TALLIES.setdefault(kind, Tally())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TALLIES:
        return
    heads = ("fault", "tried", "billed", "stored", "outcome unknown", "lost", "double-billed")
    rows = [
        (kind, *(str(n) for n in (t.tried, t.billed, t.stored, t.unknown, t.lost, t.double)))
        for kind, t in sorted(TALLIES.items())
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    terminalreporter.section("faults")
    for row in (heads, *rows):
        terminalreporter.write_line("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)))


@dataclass(frozen=True)
class Vendor:
    """A vendor behind its proxy, and what it is asked for."""

    name: str
    emulator: OpenAI | Flux | XAI
    proxy: Proxy
    environ: dict[str, str]
    asked: dict[str, str]


@pytest.fixture(scope="session")
def vendors() -> Iterator[list[Vendor]]:
    """Three vendors with three ways to answer: at once, by a task that is polled, and with the price."""
    openai, flux, xai = OpenAI(), Flux(), XAI()
    with openai.serving(), flux.serving(), xai.serving():
        fronts = [
            Proxy(lambda: openai.url.removesuffix("/v1"), openai_bill),
            Proxy(lambda: flux.url, flux_bill),
            Proxy(lambda: xai.url.removesuffix("/v1"), xai_bill),
        ]
        with fronts[0].serving(), fronts[1].serving(), fronts[2].serving():
            yield [
                Vendor(
                    "openai", openai, fronts[0],
                    {"OPENAI_API_KEY": openai.key, "OPENAI_BASE_URL": f"{fronts[0].url}/v1"},
                    {"model": "gpt-image-2.5-flare", "size": "1024x1024", "quality": "low"},
                ),
                Vendor(
                    "flux", flux, fronts[1],
                    {"BFL_API_KEY": flux.key, "BFL_BASE_URL": fronts[1].url},
                    {"model": "flux-2-pro", "size": "64x64"},
                ),
                Vendor(
                    "xai", xai, fronts[2],
                    {"XAI_API_KEY": xai.key, "XAI_BASE_URL": f"{fronts[2].url}/v1"},
                    {"model": "grok-imagine-image-2.0"},
                ),
            ]  # fmt: skip
