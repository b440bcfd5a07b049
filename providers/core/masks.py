"""Masks in one convention, white = what changes, and the way to the other. Pillow lives here."""

from __future__ import annotations

import io

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.sources import source
from atelier.providers.core.types import Picture


def mask(data: bytes) -> Picture:
    """A mask in either convention -> a greyscale PNG where white is what changes.

    A mask with any transparency is read by its alpha (transparent changes); any other by its lightness.
    """
    from PIL import Image, ImageChops

    checked = source(data)
    try:
        with Image.open(io.BytesIO(data)) as image:
            alpha = image.convert("RGBA").getchannel("A")
            through = alpha.getextrema()[0] != 255
            white = ImageChops.invert(alpha) if through else image.convert("L")
    except (OSError, ValueError, SyntaxError):
        message = "The mask cannot be decoded."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give a PNG of the picture's size.") from None
    out = io.BytesIO()
    white.save(out, "PNG")
    return Picture(out.getvalue(), "png", checked.width, checked.height)


def transparent_where_white(mask: Picture) -> Picture:
    """A mask for vendors with the other convention: transparent where it changes, opaque black elsewhere."""
    from PIL import Image, ImageChops

    with Image.open(io.BytesIO(mask.image_bytes)) as white:
        black = Image.new("RGBA", white.size, "black")
        black.putalpha(ImageChops.invert(white.convert("L")))
    out = io.BytesIO()
    black.save(out, "PNG")
    return Picture(out.getvalue(), "png", mask.width, mask.height)
