"""Sizes in pixels: parsed from text, checked against a model's rule, computed from a ratio and a resolution."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from atelier.providers.core.errors import invalid_request

MAX_EDGE = 8192  # pixels of a resized copy
MIN_KB, MAX_KB = 4, 100_000  # of a resized copy

SIZE = re.compile(r"\s*(\d{1,6})\s*[x×X*]\s*(\d{1,6})\s*")
RATIO = re.compile(r"\s*(\d{1,5}(?:\.\d{1,3})?)\s*[:/]\s*(\d{1,5}(?:\.\d{1,3})?)\s*")

RESOLUTION_PIXELS = {"512": 512**2, "768sq": 768**2, "1k": 1024**2, "1.5k": 1536**2, "2k": 2048**2, "4k": 4096**2}
"""Resolution name -> pixels of an image; a model with a lower maximum gives its maximum."""


def parse_size(text: str) -> tuple[int, int] | None:
    """`"1536x1024"` -> (width, height) in pixels; None for anything else, zero edges included."""
    found = SIZE.fullmatch(text)
    edges = (int(found[1]), int(found[2])) if found else (0, 0)
    return edges if min(edges) > 0 else None


def parse_ratio(text: str) -> Fraction | None:
    """`"16:9"` -> width over height; None for anything else, zero included."""
    found = RATIO.fullmatch(text)
    if not found or not float(found[1]) or not float(found[2]):
        return None
    return Fraction(found[1]) / Fraction(found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    """Free WIDTHxHEIGHT within bounds. Edges and steps in pixels; `max_ratio` is long edge over short."""

    step: int = 1
    min_edge: int = 1
    max_edge: int
    min_pixels: int = 1
    max_pixels: int
    max_ratio: float

    def __str__(self) -> str:
        step = f", each edge a multiple of {self.step}" if self.step > 1 else ""
        minimum = f"{self.min_pixels:,} to " if self.min_pixels > 1 else "at most "
        return (
            f"WIDTHxHEIGHT up to {self.max_edge} pixels an edge{step}, {minimum}{self.max_pixels:,} pixels in all, "
            f"no longer than {self.max_ratio:g}:1"
        )

    def allows(self, width: int, height: int) -> bool:
        """Whether the model can make an image of this size."""
        return width % self.step == height % self.step == 0 and not self.violation(width, height)

    def violation(self, width: int, height: int) -> str:
        """Return the bound that a size violates, or an empty text. The step is not checked."""
        long, short = max(width, height), min(width, height)
        for fits, needs in (
            (short >= self.min_edge, f"at least {self.min_edge} pixels on every side"),
            (long <= self.max_edge, f"at most {self.max_edge:,} pixels on every side"),
            (width * height >= self.min_pixels, f"at least {self.min_pixels:,} pixels in all"),
            (width * height <= self.max_pixels, f"at most {self.max_pixels:,} pixels in all"),
            (long <= short * self.max_ratio, f"no shape longer than {self.max_ratio:g}:1"),
        ):
            if not fits:
                return needs
        return ""

    def fit(self, ratio: Fraction, pixels: int) -> tuple[int, int] | None:
        """Return the allowed size nearest to `pixels`, with exactly this ratio if such a size is near enough."""
        pixels = max(self.min_pixels, min(pixels, self.max_pixels))
        height = math.sqrt(pixels / ratio)
        scale = min(1.0, self.max_edge / max(height, height * ratio))
        unit = (ratio.numerator * self.step, ratio.denominator * self.step)
        times = scale * height / unit[1]
        around = range(max(1, math.floor(times) - 2), math.ceil(times) + 3)
        exact = [(unit[0] * k, unit[1] * k) for k in around]
        steps = [
            (
                self.step * (round(scale * height * ratio / self.step) + i),
                self.step * (round(scale * height / self.step) + j),
            )
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ]
        for candidates, slack in ((exact, 0.25), (steps, 1.0)):
            allowed = [s for s in candidates if min(s) > 0 and self.allows(*s)]
            near = [s for s in allowed if abs(s[0] * s[1] - pixels * scale**2) <= slack * pixels * scale**2]
            if near:
                return min(near, key=lambda s: _distance(s, ratio, pixels * scale**2))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeSpec:
    """The copy that a caller wants: exactly `size` pixels, at most `max_kb` thousand bytes, or both.

    `box` (left, top, width, height in pixels) is cut out first; `format` is png, jpeg or webp, by default the image's.
    """

    size: tuple[int, int] | None = None
    fit: Literal["crop", "pad"] = "crop"
    max_kb: int | None = None
    box: tuple[int, int, int, int] | None = None
    format: str | None = None

    @property
    def words(self) -> str | None:
        """The size as text, such as `1200x630`."""
        return f"{self.size[0]}x{self.size[1]}" if self.size else None


def _distance(size: tuple[int, int], ratio: Fraction, pixels: float) -> float:
    """Return how far a size is from the wanted ratio and area; the ratio weighs more."""
    width, height = size
    return 10 * abs(math.log(width / height / ratio)) + abs(math.log(width * height / pixels))


def parse_resize(size: str | None, fit: str | None, max_kb: int | None) -> ResizeSpec | None:
    """Return the requested resize, or None without one. Raises invalid_request for invalid values, before any I/O."""
    if size is None and max_kb is None:
        if fit is not None and fit != "crop":  # hosts that fill every field send the default
            raise invalid_request("deliver_fit needs deliver_size.", "Give deliver_size with it.")
        return None
    if fit not in (None, "crop", "pad"):
        raise invalid_request("deliver_fit is neither crop nor pad.", "Use one of the two.")
    if max_kb is not None and not MIN_KB <= max_kb <= MAX_KB:
        hint = f"Use {MIN_KB} to {MAX_KB}, in thousands of bytes."
        raise invalid_request(f"deliver_max_kb cannot be {max_kb}.", hint)
    edges = parse_size(size) if size is not None else None
    if size is not None and (edges is None or max(edges) > MAX_EDGE):
        hint = f"Use WIDTHxHEIGHT, such as 1200x630, each 1 to {MAX_EDGE}."
        raise invalid_request("deliver_size is not a valid size.", hint)
    return ResizeSpec(size=edges, fit="pad" if fit == "pad" else "crop", max_kb=max_kb)
