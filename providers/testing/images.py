"""Images for tests."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image
from PIL.ImageFile import ImageFile


def encoded(image: Image.Image, format: str = "PNG") -> bytes:
    """Return the bytes of an image in a format."""
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def encoded_png(image: Image.Image) -> bytes:
    """Return an image as a PNG."""
    return encoded(image)


def plain(size: tuple[int, int], format: str = "PNG", colour: Any = "teal", mode: str = "RGB") -> bytes:
    """Return an image of one colour."""
    return encoded(Image.new(mode, size, colour), format)


def png(width: int, height: int, colour: Any = "navy", mode: str = "RGB") -> bytes:
    """Return a PNG of one colour."""
    return plain((width, height), "PNG", colour, mode)


def opened(data: str) -> ImageFile:
    """Return the image in a base64 text, with or without a `data:` prefix; it is not decoded yet."""
    return Image.open(io.BytesIO(base64.b64decode(data.rpartition(",")[2], validate=True)))


def shape(ratio: str, sign: str = ":", edge: int = 64) -> tuple[int, int]:
    """Return the pixels of an image of a ratio such as 16:9 whose long side is `edge`; a square for any other word."""
    width, _, height = ratio.partition(sign)
    if not (width.isdigit() and height.isdigit()):
        return edge, edge
    longest = max(int(width), int(height))
    return edge * int(width) // longest, edge * int(height) // longest
