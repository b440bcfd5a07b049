"""Masks in one convention, white = what changes, and the way to the other. Pillow lives here."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Picture
from atelier.providers.images.decode import decode, to_eight_bits

if TYPE_CHECKING:
    from PIL import Image

FAINT = 8  # lightness that a hand leaves by accident


def normalise_mask(data: bytes) -> Picture:
    """A mask in either convention -> a greyscale PNG where white is what changes.

    A mask with holes is read by its alpha (transparent changes), any other by its lightness. One that marks nothing is
    refused, since the edit would be billed for nothing.
    """
    from PIL import ImageChops

    try:
        image = to_eight_bits(decode(data))
    except ValueError:
        raise _refused("The mask cannot be decoded.", "Give a PNG of the picture's size.") from None
    alpha, light = image.convert("RGBA").getchannel("A"), image.convert("RGB").convert("L")
    holes = ImageChops.subtract(ImageChops.invert(alpha), alpha)  # where a pixel is more clear than opaque
    white = light if _is_black(holes) else ImageChops.invert(alpha)
    if _is_black(white):
        raise _refused("The mask marks nothing.", "Make what changes transparent, or white on black.")
    out = io.BytesIO()
    white.save(out, "PNG")
    return Picture(out.getvalue(), "png", *white.size)


def transparent_where_white(mask: Picture) -> Picture:
    """A mask for vendors with the other convention: transparent where it changes, opaque black elsewhere."""
    from PIL import Image, ImageChops

    with Image.open(io.BytesIO(mask.image_bytes)) as white:
        black = Image.new("RGBA", white.size, "black")
        black.putalpha(ImageChops.invert(white.convert("L")))
    out = io.BytesIO()
    black.save(out, "PNG")
    return Picture(out.getvalue(), "png", mask.width, mask.height)


def _refused(message: str, hint: str) -> ImageError:
    return ImageError(Reason.INVALID_REQUEST, message, hint=hint)


def _is_black(image: Image.Image) -> bool:
    """Whether a greyscale picture has nothing on it but what a hand leaves by accident."""
    return all(count == 0 for count in image.histogram()[FAINT:])
