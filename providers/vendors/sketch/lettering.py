"""The word “sketch” and the prompt, in a band at the foot of a drawing, which shows that no model made it.

The built-in font of Pillow covers Latin, Greek and Cyrillic. For other scripts a font of the machine is used where
one has every letter; what no font has is drawn as a dot.
"""

from __future__ import annotations

import textwrap
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

OTHER_SCRIPTS = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
    "segoeui.ttf",
)
"""Fonts that Linux, macOS and Windows ship, tried in this order."""

PAPER = "#fdf8ee"


def letter(image: Image.Image, prompt: str, ground: tuple[int, int, int], light: tuple[int, int, int]) -> Image.Image:
    """The picture with its label; `ground` and `light` are the colours of band and title. RGBA in and out."""
    from PIL import Image, ImageDraw

    image = image.convert("RGBA")
    width, height = image.size
    em = max(9, min(width, height) // 30)
    text = " ".join(prompt.split())
    font, text = _font(text, em)
    lines = textwrap.wrap(text, max(8, int(width * 0.86 / (em * 0.52))), max_lines=3, placeholder=" …")
    top = max(0, height - int(em * (1.35 * len(lines) + 2.6)))
    image.alpha_composite(Image.new("RGBA", (width, height - top), (*ground, 214)), (0, top))
    pen, left = ImageDraw.Draw(image), int(width * 0.05)
    pen.text((left, top + em * 0.6), "s k e t c h", font=_built_in(max(8, round(em * 0.72))), fill=light)
    for row, line in enumerate(lines):
        pen.text((left, top + em * (1.7 + 1.35 * row)), line, font=font, fill=PAPER)
    return image


def _font(text: str, em: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, str]:
    """A font for the text, and the text as that font can write it."""
    from PIL import ImageFont

    built_in = _built_in(em)
    missing = [c for c in set(text) if not _has(built_in, c)]
    if not missing:
        return built_in, text
    for name in OTHER_SCRIPTS:
        try:
            font = ImageFont.truetype(name, em)
        except OSError:
            continue
        if all(_has(font, c) for c in set(text)):
            return font, text
    return built_in, "".join("·" if c in missing else c for c in text)


@lru_cache(maxsize=32)
def _built_in(em: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(em)


def _has(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, letter: str) -> bool:
    """Whether the font has its own shape for a letter: a missing one looks like one that no font has."""
    return letter.isspace() or _shape(font, letter) != _shape(font, "\uffff")


def _shape(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, letter: str) -> bytes:
    from PIL import Image, ImageDraw

    plate = Image.new("L", (64, 64))
    ImageDraw.Draw(plate).text((4, 4), letter, font=font, fill=255)
    return plate.tobytes()
