"""Convert HEIC and AVIF, which phones write and vendors do not accept, to PNG or JPEG.

Pillow opens AVIF; HEIC needs pillow-heif, which is an extra. Both are files of boxes, and the first box lists the
brands of the file (ISO/IEC 14496-12, 4.3; HEIF is ISO/IEC 23008-12, annex B).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.decode import encode, has_alpha, open_image, to_eight_bits

if TYPE_CHECKING:
    from PIL import Image

AVIF = {b"avif", b"avis"}
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
MANY_COLOURS = 2**16  # an image with more is a photo, which is written as JPEG


def heif_kind(data: bytes) -> str | None:
    """Return HEIC or AVIF, or None for another file."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4]), 256)
    brands = {data[8:12], *(data[start : start + 4] for start in range(16, end, 4))}
    return "AVIF" if brands & AVIF else "HEIC" if brands & HEIC else None


def open_heif(data: bytes, kind: str) -> Image.Image:
    """Open a HEIC or AVIF file and read its header only.

    Raises invalid_request without a decoder, ValueError if the file is broken.
    """
    if kind == "HEIC":
        _register_decoder()
    try:
        return open_image(data, "HEIF" if kind == "HEIC" else kind)
    except Exception as error:
        raise ValueError("it cannot be decoded") from error


def convert_heif(image: Image.Image) -> bytes:
    """Return a PNG, or for a photo a JPEG, upright and with the colour profile.

    Raises ValueError when the pixels are broken.
    """
    from PIL import ImageOps

    try:
        image.load()
    except Exception as error:
        raise ValueError("it cannot be decoded") from error
    with suppress(Exception):  # broken metadata does not make the image unusable
        ImageOps.exif_transpose(image, in_place=True)
    image = to_eight_bits(image)
    if has_alpha(image) or image.getcolors(MANY_COLOURS):
        return encode(image, "png").image_bytes
    return encode(image, "jpeg", quality=95).image_bytes


def _register_decoder() -> None:
    try:
        import pillow_heif
    except ImportError:
        message = "The source image is a HEIC file, and no decoder for HEIC is installed."
        hint = 'Install one with pip install "atelier-mcp[heic]", or give a PNG, JPEG or WebP.'
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint) from None
    pillow_heif.register_heif_opener(thumbnails=False)  # pyright: ignore[reportUnknownMemberType]
