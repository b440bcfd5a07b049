"""Normalise masks to “white changes”, and convert them for vendors with the other convention."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from atelier.providers.core.errors import invalid_request
from atelier.providers.core.types import Picture
from atelier.providers.images.decode import decode, to_eight_bits

if TYPE_CHECKING:
    from PIL import Image

FAINT = 8  # lightness; darker strokes are accidental


def normalise_mask(data: bytes) -> Picture:
    """Return a mask of either convention as a greyscale PNG in which white changes.

    A mask with transparent parts is read by its alpha (transparent changes), any other by its lightness. A mask that
    marks nothing is refused, because the vendor would bill an edit without effect.
    """
    from PIL import ImageChops

    try:
        image = to_eight_bits(decode(data))
    except ValueError:
        raise invalid_request("The mask cannot be decoded.", "Give a PNG of the image's size.") from None
    alpha, light = image.convert("RGBA").getchannel("A"), image.convert("RGB").convert("L")
    holes = ImageChops.subtract(ImageChops.invert(alpha), alpha)  # where a pixel is more clear than opaque
    white = light if _is_black(holes) else ImageChops.invert(alpha)
    if _is_black(white):
        raise invalid_request("The mask marks nothing.", "Make what changes transparent, or white on black.")
    out = io.BytesIO()
    white.save(out, "PNG")
    return Picture(out.getvalue(), "png", *white.size)


def transparent_where_white(mask: Picture) -> Picture:
    """Return the mask in the other convention: transparent where the image changes, opaque black elsewhere."""
    from PIL import Image, ImageChops

    with Image.open(io.BytesIO(mask.image_bytes)) as white:
        black = Image.new("RGBA", white.size, "black")
        black.putalpha(ImageChops.invert(white.convert("L")))
    out = io.BytesIO()
    black.save(out, "PNG")
    return Picture(out.getvalue(), "png", mask.width, mask.height)


def black_where_white(mask: Picture) -> Picture:
    """Return the mask with black where the image changes, and white elsewhere."""
    from PIL import Image, ImageChops

    out = io.BytesIO()
    with Image.open(io.BytesIO(mask.image_bytes)) as white:
        ImageChops.invert(white.convert("L")).save(out, "PNG")
    return Picture(out.getvalue(), "png", mask.width, mask.height)


def _is_black(image: Image.Image) -> bool:
    """Whether a greyscale image has no pixel of FAINT or more."""
    return all(count == 0 for count in image.histogram()[FAINT:])
