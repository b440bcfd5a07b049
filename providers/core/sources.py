"""Source pictures and masks on their way in. Pillow lives here, started only when there is a mask to read."""

from __future__ import annotations

import io

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.images import sniff
from atelier.providers.core.types import Picture

MOST_PIXELS = 40_000_000  # a decompression bomb claims more


def source(data: bytes) -> Picture:
    """Bytes that a caller gave -> Picture; invalid_request when they are none."""
    try:
        format, width, height = sniff(data)
    except ValueError as error:
        message = f"The source picture cannot be used: {error}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give a whole PNG, JPEG, WebP or GIF.") from None
    if width * height > MOST_PIXELS:
        message = f"The source picture has {width}x{height} pixels; at most {MOST_PIXELS // 10**6} million are taken."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Scale it down first.")
    return Picture(data, format, width, height)


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
