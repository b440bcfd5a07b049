"""Draws the table of a run as an SVG: a bar for each ratio, its spread, and its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LABELS, BAR, LINE, WIDTH = 260, 22, 34, 860


@dataclass(frozen=True)
class Row:
    """The medians of a measure; the ratio is the median of the runs' ratios."""

    name: str
    ours_ms: float
    floor_ms: float
    ratio: float
    lowest: float
    highest: float
    target: float


def svg(rows: Sequence[Row]) -> str:
    """Return the picture. A bar is green where its target is reached; the upright line is the target."""
    scale = (WIDTH - LABELS - 70) / max(max(row.highest, row.target) for row in rows)
    parts = [_row(row, 30 + LINE * number, scale) for number, row in enumerate(rows)]
    height = 40 + LINE * len(rows)
    size = f'width="{WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    title = f'<text x="{LABELS}" y="18" fill="#555">times the floor of the same run (1.0 is the floor)</text>'
    return "\n".join([head, f'<rect {size} fill="white"/>', title, *parts, "</svg>\n"])


def _row(row: Row, y: int, scale: float) -> str:
    colour = "#2e7d32" if row.ratio <= row.target else "#c62828"
    middle, target, end = y + BAR / 2, LABELS + scale * row.target, LABELS + scale * max(row.highest, row.target)
    lowest, highest, width = LABELS + scale * row.lowest, LABELS + scale * row.highest, scale * row.ratio
    return "".join(
        [
            f'<text x="{LABELS - 8}" y="{middle + 5}" text-anchor="end">{escape(row.name)}</text>',
            f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}" opacity="0.75"/>',
            f'<path d="M{lowest:.1f} {middle}H{highest:.1f}" stroke="#222"/>',
            f'<path d="M{target:.1f} {y - 3}V{y + BAR + 3}" stroke="#222" stroke-width="2"/>',
            f'<text x="{end + 8:.1f}" y="{middle + 5}">{row.ratio:.2f}</text>',
        ]
    )
