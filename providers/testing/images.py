"""Images for tests."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image


def encoded_png(image: Image.Image) -> bytes:
    """Return an image as a PNG."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def png(width: int, height: int, colour: Any = "navy", mode: str = "RGB") -> bytes:
    """Return a PNG of one colour."""
    return encoded_png(Image.new(mode, (width, height), colour))


def shape(ratio: str, sign: str = ":", edge: int = 64) -> tuple[int, int]:
    """Return the pixels of an image of a ratio such as 16:9 whose long side is `edge`; a square for any other word."""
    width, _, height = ratio.partition(sign)
    if not (width.isdigit() and height.isdigit()):
        return edge, edge
    longest = max(int(width), int(height))
    return edge * int(width) // longest, edge * int(height) // longest
