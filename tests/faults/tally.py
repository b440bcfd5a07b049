"""The table of everything that was tried, and what came of it: a plugin, since several processes may run the suite."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest


@dataclass(slots=True)
class Line:
    """One line of the table: a kind of fault, and what came of all the runs with it."""

    runs: int = 0
    requests: int = 0
    billed: int = 0
    pictures: int = 0
    stored: int = 0
    doubt: int = 0
    unkept: int = 0
    lost: int = 0
    double: int = 0

    def plus(self, other: Line) -> Line:
        """Both together."""
        return Line(**{name: told + getattr(other, name) for name, told in asdict(self).items()})

    def minus(self, other: Line) -> Line:
        """This one without the other."""
        return Line(**{name: told - getattr(other, name) for name, told in asdict(self).items()})


TABLE: dict[str, Line] = {}
COUNTED: dict[Path, Line] = {}
"""What of a folder is in the table already, under whichever fault."""


def count(label: str, folder: Path, line: Line) -> None:
    """Into the table, but for what an earlier look at the same folder has brought there."""
    _add(label, line.minus(COUNTED.get(folder, Line())))
    COUNTED[folder] = replace(line, runs=0)


def _add(label: str, line: Line) -> None:
    TABLE[label] = TABLE.get(label, Line()).plus(line)


def table() -> list[str]:
    """The table of everything that was tried. USD with six digits."""
    names = ("runs", "paid calls", "USD billed", "pictures", "stored", "in doubt", "not kept", "lost", "double-billed")
    rows = [(label, line) for label, line in sorted(TABLE.items())]
    if not rows:
        return []
    total = reduce(Line.plus, (line for _, line in rows))
    wide = max(len(label) for label, _ in rows)
    said = [f"{'fault':<{wide}}  {'  '.join(names)}"]
    for label, line in [*rows, (f"{len(rows)} kinds of faults", total)]:
        usd = f"{Decimal(line.billed) / 1_000_000:.6f}"
        figures = (line.runs, line.requests, usd, line.pictures, line.stored, line.doubt, line.unkept, line.lost,
                   line.double)  # fmt: skip
        said.append(f"{label:<{wide}}  " + "  ".join(str(f).rjust(len(n)) for f, n in zip(figures, names, strict=True)))
    return [
        *said,
        "in doubt: billed, but the answer never came or died with the process: the reservation is kept, and it is told",
        "not kept: billed and in the ledger, but the vendor did not hand it out yet, or ever; or no disk took the",
        "          picture, and the answer bore it whole; below 0 when the next call collects it",
    ]


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often, and from where on, the dice are thrown."""
    parser.addoption("--fault-runs", type=int, default=200, help="random runs in `-m exhaustive` (200)")
    parser.addoption("--fault-seed", type=int, default=secrets.randbelow(10**9), help="the first of these runs' seed")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Every worker throws the same dice."""
    node.workerinput["fault_seed"] = node.config.getoption("--fault-seed")


def pytest_configure(config: pytest.Config) -> None:
    """See above."""
    if told := getattr(config, "workerinput", None):
        config.option.fault_seed = told["fault_seed"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its part over."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["faults"] = {label: asdict(line) for label, line in TABLE.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker has ended: its part joins the others."""
    for label, line in getattr(node, "workeroutput", {}).get("faults", {}).items():
        _add(label, Line(**line))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table, and the dice that were thrown."""
    if lines := table():
        terminalreporter.section("faults")
        terminalreporter.write_line(
            f"--fault-runs {config.getoption('--fault-runs')} --fault-seed {config.getoption('--fault-seed')}"
        )
        for line in lines:
            terminalreporter.write_line(line)
