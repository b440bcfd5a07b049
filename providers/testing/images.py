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
