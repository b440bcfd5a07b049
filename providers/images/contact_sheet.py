"""Draw several images side by side on one sheet, each with a few words below it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

from atelier.providers.images.decode import decode, flatten

EDGES = (384, 320, 256, 192)
"""The long edge of a tile in pixels: the first with which the sheet is within its limit."""
QUALITIES = (80, 72, 64)
MARGIN, LINE = 12, 20  # pixels
INK, FAINT = (24, 24, 27), (113, 113, 122)
DECODE_SIZE = (768, 768)  # a larger JPEG is decoded at about this size


class Tile(NamedTuple):
    """One place of a sheet; without bytes, or with some that cannot be decoded, it shows the words alone."""

    image_bytes: bytes | None
    title: str
    words: str


def contact_sheet(tiles: Sequence[Tile], limit: int) -> bytes:
    """Return the sheet as a JPEG of at most `limit` bytes; the smallest that can be made where none fits."""
    jpeg = b""
    for edge in EDGES:
        for quality in QUALITIES:
            jpeg = _drawn(tiles, edge, quality)
            if len(jpeg) <= limit:
                return jpeg
    return jpeg


def _drawn(tiles: Sequence[Tile], edge: int, quality: int) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    columns = min(len(tiles), 3 if len(tiles) > 4 else 2) if len(tiles) > 1 else 1
    width, height = edge + MARGIN, edge + 2 * LINE + MARGIN
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * width + MARGIN, rows * height + MARGIN), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for number, tile in enumerate(tiles):
        left, top = MARGIN + number % columns * width, MARGIN + number // columns * height
        try:
            small = flatten(decode(tile.image_bytes or b"", enough=DECODE_SIZE))
            small.thumbnail((edge, edge))
            sheet.paste(small, (left + (edge - small.width) // 2, top + (edge - small.height) // 2))
        except ValueError:
            draw.rectangle((left, top, left + edge, top + edge), outline=FAINT)
        for line, (words, colour) in enumerate(((tile.title, INK), (tile.words, FAINT))):
            draw.text((left, top + edge + 4 + line * LINE), _within(words, edge, font), fill=colour, font=font)
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _within(words: str, width: int, font: object) -> str:
    """Return the words, cut to the width of a tile."""
    from PIL import ImageFont

    assert isinstance(font, ImageFont.FreeTypeFont | ImageFont.ImageFont)
    while words and font.getlength(words) > width:
        words = f"{words[:-2]}…" if len(words) > 2 else ""
    return words
