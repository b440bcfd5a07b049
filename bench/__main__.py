"""Run every measure interleaved with its floor, and print the table.

uv run python -m bench [--runs 5] [--check] [--only start]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

import anyio

from bench.measures import MEASURES, Bench, Sample
from bench.plot import Row, svg
from bench.vendor import vendor_process

OUT = Path(__file__).resolve().parent.parent / "build" / "bench"


def main() -> int:
    """Return 1 with `--check` where a ratio is above its target."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="samples of each measure; 5 by default")
    parser.add_argument("--check", action="store_true", help="fail where a ratio is above its target")
    parser.add_argument("--only", default="", help="measures whose name has this in it")
    options = parser.parse_args()
    samples: dict[str, list[Sample]] = {name: [] for name in MEASURES if options.only in name}
    with vendor_process() as url:
        bench = Bench(url)
        for _ in range(options.runs):
            for name, taken in samples.items():
                taken.append(anyio.run(MEASURES[name][0], bench))
    rows = [row_of(name, taken) for name, taken in samples.items()]
    sys.stdout.write(f"{'measure':36} {'ours ms':>9} {'floor ms':>9} {'ratio':>7} {'spread':>13} {'target':>7}\n")
    for row in rows:
        spread = f"{row.lowest:.2f}-{row.highest:.2f}"
        columns = f"{row.ours_ms:9.1f} {row.floor_ms:9.1f} {row.ratio:7.2f} {spread:>13} {row.target:7.2f}"
        sys.stdout.write(f"{row.name:36} {columns}\n")
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    (OUT / "results.svg").write_text(svg(rows), encoding="utf-8")
    return int(options.check and any(row.ratio > row.target for row in rows))


def row_of(name: str, taken: list[Sample]) -> Row:
    """Return the row of a measure."""
    ratios = sorted(sample.ours / sample.floor for sample in taken)
    return Row(
        name=name,
        ours_ms=1000 * statistics.median(sample.ours for sample in taken),
        floor_ms=1000 * statistics.median(sample.floor for sample in taken),
        ratio=statistics.median(ratios),
        lowest=ratios[0],
        highest=ratios[-1],
        target=MEASURES[name][1],
    )


sys.exit(main())
