"""The scenes that the sketch vendor draws: palette and shapes follow from the prompt.

The same prompt, size and seed give the same pixels. Only `Random.random` is drawn from, because its sequence is
guaranteed to be the same in every Python version.
"""

from __future__ import annotations

import colorsys
import hashlib
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

PALETTES: tuple[tuple[str, tuple[str, str, str, str, str]], ...] = (
    ("dusk sunset evening twilight romantic", ("#2b2350", "#f2865e", "#ffd9a0", "#8d4a73", "#1c1638")),
    ("dawn sunrise morning spring pastel", ("#8fb8de", "#fbd3c0", "#fff3d6", "#b48fae", "#3c3f66")),
    ("night midnight moon star space galaxy cosmic", ("#0b1030", "#27407a", "#f4f1de", "#33508c", "#060818")),
    ("sea ocean water beach wave island lake river", ("#bfe3e6", "#f3efd9", "#ffcf7d", "#4f97a8", "#123f56")),
    (
        "forest jungle tree garden leaf moss green nature",
        ("#dfe8cf", "#f6f0d0", "#f0b95b", "#7fa06b", "#1f3d2b"),
    ),
    ("snow winter ice frost arctic", ("#c9dcec", "#f7f9fc", "#ffe4b8", "#94b1cc", "#2d4a68")),
    ("desert sand dune canyon autumn fall", ("#f4c98b", "#fbe8c6", "#fff6e0", "#cf7a45", "#5b2a21")),
    ("fire lava dragon red rage volcano", ("#2a0a12", "#c8352b", "#ffb545", "#7c1a22", "#14060a")),
    ("city neon cyberpunk street future robot", ("#161334", "#a83279", "#4de3e0", "#3a2a72", "#0a0820")),
)
"""Words -> sky above, sky below, light, far, near."""

SCENES: tuple[tuple[str, str], ...] = (
    (
        "sea",
        "sea ocean water beach wave island lake river lighthouse boat ship sail harbour harbor coast fish",
    ),
    ("city", "city street skyline tower building neon cyberpunk office town robot future car"),
    ("forest", "forest jungle tree wood garden park fox deer bear bird leaf"),
    ("hills", "mountain hill valley landscape field desert dune canyon snow winter castle house village"),
)
"""Scene -> the words that call for it; without any, the prompt's hash decides between these:"""

ABSTRACT = ("orbs", "orbs", "hills")


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where a scene is drawn: `pen` over `width` x `height` pixels, with this palette and this chance."""

    image: Image.Image
    pen: ImageDraw.ImageDraw
    width: int
    height: int
    above: Colour
    below: Colour
    light: Colour
    far: Colour
    near: Colour
    chance: random.Random

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.chance.random()

    @property
    def unit(self) -> float:
        """A hundredth of the short edge, in pixels."""
        return min(self.width, self.height) / 100

    def shape(self, x: float, y: float, colour: Colour, *corners: tuple[float, float]) -> None:
        """Draw a polygon; its corners are offsets from (x, y) in units."""
        self.pen.polygon([(x + right * self.unit, y + down * self.unit) for right, down in corners], fill=colour)

    def glow(self, points: list[tuple[float, float]], colour: Colour, share: float) -> None:
        """A polygon of light, which lets what is behind it through."""
        from PIL import Image, ImageDraw

        light = Image.new("RGBA", self.image.size, (*colour, 0))
        ImageDraw.Draw(light).polygon(points, fill=(*colour, round(255 * share)))
        self.image.alpha_composite(light)


def paint(prompt: str, width: int, height: int, seed: int, *, transparent: bool = False) -> Image.Image:
    """A picture of the prompt as far as a few shapes can go: RGBA, `width` x `height` pixels."""
    from PIL import Image, ImageDraw

    scale = 2 if width * height <= 2048**2 else 1  # drawn twice as large and reduced, for smooth edges
    size = width * scale, height * scale
    words = _words(prompt)
    digest = hashlib.sha256(f"{prompt}\0{width}x{height}\0{seed}".encode()).digest()
    palette = palette_of(prompt)
    image = Image.new("RGBA", size) if transparent else _sky(size, palette[0], palette[1])
    canvas = Canvas(image, ImageDraw.Draw(image), *size, *palette, random.Random(digest))  # noqa: S311
    names = [name for name, calling in SCENES if words & set(_forms(calling))]
    scene = SCENERY[names[0] if names else ABSTRACT[digest[1] % len(ABSTRACT)]]
    _sun(canvas)
    scene(canvas, words)
    return image.reduce(scale) if scale > 1 else image


def palette_of(prompt: str) -> tuple[Colour, Colour, Colour, Colour, Colour]:
    """Sky above, sky below, light, far, near: by the prompt's words, else five tones around its own hue."""
    from PIL import ImageColor

    words = _words(prompt)
    for calling, colours in PALETTES:
        if words & set(_forms(calling)):
            above, below, light, far, near = (ImageColor.getrgb(colour)[:3] for colour in colours)
            return above, below, light, far, near
    hue = hashlib.sha256(prompt.encode()).digest()[0] / 255
    tone = [
        (0.0, 0.45, 0.55),
        (0.08, 0.30, 0.93),
        (0.12, 0.25, 1.0),
        (-0.06, 0.42, 0.60),
        (-0.04, 0.60, 0.22),
    ]
    made = [tuple(round(255 * c) for c in colorsys.hsv_to_rgb((hue + turn) % 1, s, v)) for turn, s, v in tone]
    above, below, light, far, near = ((c[0], c[1], c[2]) for c in made)
    return above, below, light, far, near


def _words(prompt: str) -> set[str]:
    return set(re.findall(r"\w+", prompt.lower()))


def _forms(calling: str) -> list[str]:
    return [form for word in calling.split() for form in (word, word + "s")]


def _sky(size: tuple[int, int], above: Colour, below: Colour) -> Image.Image:
    from PIL import Image, ImageDraw

    sky = Image.new("RGBA", size)
    pen = ImageDraw.Draw(sky)
    for y in range(size[1]):
        pen.line((0, y, size[0], y), fill=_mix(above, below, y / size[1]))
    return sky


def _sun(c: Canvas) -> None:
    x, y = c.width * c.between(0.18, 0.55), c.height * c.between(0.2, 0.42)
    radius = min(c.width, c.height) * c.between(0.07, 0.13)
    for ring, share in ((2.3, 0.12), (1.6, 0.28), (1.0, 1.0)):
        r = radius * ring
        sky = _mix(c.above, c.below, y / c.height)
        c.pen.ellipse((x - r, y - r, x + r, y + r), fill=_mix(sky, c.light, share))


def _ridge(c: Canvas, y: float, rise: float, colour: Colour, waves: float) -> None:
    """A wavy edge at `y` of the height, filled to the foot."""
    phases = [c.between(0, 2 * math.pi) for _ in range(3)]
    points = list[tuple[float, float]]()
    for step in range(-1, 122):
        x = step / 120
        swing = sum(math.sin(waves * (k + 1) * 2 * math.pi * x + p) / (k + 1) for k, p in enumerate(phases))
        points.append((x * c.width, c.height * (y + rise * swing)))
    c.pen.polygon([(points[0][0], c.height), *points, (points[-1][0], c.height)], fill=colour)


def _hills(c: Canvas, words: set[str]) -> None:
    for k in range(4):
        _ridge(c, 0.5 + 0.11 * k, 0.06 - 0.008 * k, _mix(c.far, c.near, k / 3), c.between(0.5, 1.6))


def _sea(c: Canvas, words: set[str]) -> None:
    for k in range(6):
        _ridge(c, 0.58 + 0.07 * k, 0.004 + 0.003 * k, _mix(c.far, c.near, k / 5), c.between(2, 5))
    x = c.width * c.between(0.62, 0.78)
    if words & {"lighthouse", "lighthouses", "coast"}:
        _lighthouse(c, x, c.height * 0.72)
    else:
        _boat(c, x, c.height * 0.66)


def _lighthouse(c: Canvas, x: float, y: float) -> None:
    """On a rock at (x, y), 49 hundredths of the short edge high, its light falling to the left."""
    shade, unit = _mix(c.far, c.near, 0.2), c.unit
    c.glow([(x, y - 41 * unit), (0, y - 47 * unit), (0, y - 33 * unit)], c.light, 0.4)
    c.shape(x, y, c.light, (-6.5, 0), (-4, -38), (4, -38), (6.5, 0))
    c.shape(x, y, shade, (-6, -7.6), (-5.5, -15.2), (5.5, -15.2), (6, -7.6))
    c.shape(x, y, shade, (-5, -22.8), (-4.5, -30.4), (4.5, -30.4), (5, -22.8))
    c.shape(x, y, c.near, (-3.5, -44), (3.5, -44), (3.5, -38), (-3.5, -38))
    c.shape(x, y, c.near, (-5, -44), (0, -49), (5, -44))
    c.pen.ellipse((x - 2.4 * unit, y - 43.4 * unit, x + 2.4 * unit, y - 38.6 * unit), fill=c.light)
    c.pen.ellipse((x - 24 * unit, y - 2 * unit, x + 24 * unit, y + 16 * unit), fill=c.near)


def _boat(c: Canvas, x: float, y: float) -> None:
    """Under two sails, its waterline at y."""
    c.shape(x, y, c.light, (0, 0), (0, -24), (15, 0))
    c.shape(x, y, _mix(c.light, c.far, 0.3), (-2, 0), (-2, -18), (-11, 0))
    c.shape(x, y, c.near, (-14, 1), (17, 1), (11, 6), (-9, 6))


def _city(c: Canvas, words: set[str]) -> None:
    for row in range(3):
        colour, x = _mix(c.far, c.near, row / 2), 0.0
        while x < c.width:
            wide = c.width * c.between(0.05, 0.11)
            top = c.height * (c.between(0.3, 0.62) + 0.1 * row)
            c.pen.rectangle((x, top, x + wide, c.height), fill=colour)
            pane = wide / 7
            for floor in range(int((c.height - top) / (pane * 2.2)) if row else 0):
                for column in range(3):
                    if c.chance.random() < 0.4:
                        left, high = x + pane * (1 + 2 * column), top + pane * (1 + 2.2 * floor)
                        c.pen.rectangle((left, high, left + pane, high + pane * 1.2), fill=_mix(colour, c.light, 0.8))
            x += wide + c.width * c.between(0, 0.012)


def _forest(c: Canvas, words: set[str]) -> None:
    for row in range(4):
        colour = _mix(c.far, c.near, row / 3)
        _ridge(c, 0.62 + 0.09 * row, 0.02, colour, c.between(0.5, 1.2))
        for _ in range(13 - 2 * row):
            x, foot = c.width * c.between(0, 1), c.height * (0.66 + 0.09 * row)
            tall, wide = c.height * c.between(0.16, 0.3), c.width * c.between(0.03, 0.05)
            for tier in range(3):
                low, high = foot - tall * 0.27 * tier, foot - tall * (0.46 + 0.27 * tier)
                half = wide * (1 - 0.25 * tier)
                c.pen.polygon([(x - half, low), (x, high), (x + half, low)], fill=colour)


def _orbs(c: Canvas, words: set[str]) -> None:
    unit = min(c.width, c.height)
    for k in range(9):
        x, y, r = c.width * c.between(0, 1), c.height * c.between(0.1, 0.85), unit * c.between(0.05, 0.24)
        colour = _mix(c.far if k % 2 else c.light, c.near, c.between(0, 0.5))
        start = 90 * int(c.between(0, 4))
        if k % 3 == 2:
            c.pen.arc((x - r, y - r, x + r, y + r), 0, 360, fill=colour, width=max(1, int(unit * 0.012)))
        else:
            c.pen.pieslice((x - r, y - r, x + r, y + r), start, start + (180 if k % 2 else 360), fill=colour)


SCENERY: dict[str, Callable[[Canvas, set[str]], None]] = {
    "orbs": _orbs,
    "hills": _hills,
    "sea": _sea,
    "city": _city,
    "forest": _forest,
}


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    r, g, b = (round(a + (z - a) * share) for a, z in zip(one, other, strict=True))
    return r, g, b
