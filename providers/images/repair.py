"""Make image files readable: convert those of other formats, and repair those of which a few bytes are wrong or gone.

HEIC and AVIF come from phones. Pillow opens AVIF; HEIC needs pillow-heif, which is an extra. Both are files of boxes,
and the first box lists the brands of the file (ISO/IEC 14496-12, 4.3; HEIF is ISO/IEC 23008-12, annex B).
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from atelier.providers.core.errors import ImageError, invalid_request
from atelier.providers.images.decode import MAX_PIXELS, decodes_fully, encode, has_alpha, open_image, to_eight_bits
from atelier.providers.images.identify import identify

if TYPE_CHECKING:
    from PIL import Image

AVIF = {b"avif", b"avis"}
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
MANY_COLOURS = 2**16  # an image with more is a photo, which is written as JPEG
OTHER_FORMATS = {b"BM": "bmp", b"II*\0": "tiff", b"MM\0*": "tiff", b"\0\0\0\x0cjP  ": "jpeg2000"}
"""First bytes -> format, of files that some hosts answer with and that are not stored."""

PNG_START, JPEG_START, JPEG_END = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xd9"
GIF_START, GIF_END = b"GIF8", b";"
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
NO_END = "The image file had no end marker and may be incomplete; the marker was added."
ANCILLARY = 0x20  # bit of a chunk's first letter: a decoder may skip the chunk (W3C PNG 3rd ed. 5.4)


def converted(data: bytes) -> tuple[bytes, str] | None:
    """Return a PNG of a vendor's file in another format, and a warning; None if it is no file that can be decoded."""
    kind = heif_kind(data)
    format = next((format for start, format in OTHER_FORMATS.items() if data.startswith(start)), None)
    if not kind and not format:
        return None
    try:
        image = open_heif(data, kind) if kind else open_image(data, format or "")
        if image.width * image.height > MAX_PIXELS:
            return None
        image.load()
        png = encode(to_eight_bits(image), "png").image_bytes
    except (ImageError, OSError, ValueError):
        return None
    return png, f"The vendor sent the image as {(kind or format or '').upper()}; it was converted to PNG."


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
        raise invalid_request(message, hint) from None
    pillow_heif.register_heif_opener(thumbnails=False)  # pyright: ignore[reportUnknownMemberType]


def repair(data: bytes) -> tuple[bytes, str]:
    """Return a file that every decoder can read, and a warning if it had to be repaired.

    Raises ValueError with the reason if the file is damaged otherwise.
    """
    try:
        identify(data)
    except ValueError:
        whole, warning = _try_repairs(data)
        identify(whole)
        return whole, warning
    return data, ""


def _try_repairs(data: bytes) -> tuple[bytes, str]:
    if data.startswith(PNG_START):
        png, chunks_end = _with_checksums(data)
        if len(png) - chunks_end < len(PNG_END) and decodes_fully(png[:chunks_end] + PNG_END, "png"):
            return png[:chunks_end] + PNG_END, NO_END
        return png, "Metadata in the image file had a wrong checksum, which was corrected."
    if data.startswith(JPEG_START) and decodes_fully(data + JPEG_END, "jpeg"):
        return data + JPEG_END, NO_END
    if data.startswith(GIF_START) and decodes_fully(data + GIF_END, "gif"):
        return data + GIF_END, NO_END
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) == 7 + int.from_bytes(data[4:8], "little"):
        return data + b"\0", "The image file was one byte short of the size that it states; a padding byte was added."
    return data, ""


def _with_checksums(png: bytes) -> tuple[bytes, int]:
    """Return the file with a correct CRC for each ancillary chunk, and the end of the last whole chunk.

    A wrong CRC elsewhere means broken pixels. The end marker is not counted as a chunk.
    """
    made, start = bytearray(png), len(PNG_START)
    while start + 12 <= len(png):
        end = start + 8 + int.from_bytes(png[start : start + 4])
        if png[start + 4] & ANCILLARY and end + 4 <= len(png):
            made[end : end + 4] = zlib.crc32(png[start + 4 : end]).to_bytes(4)
        if end + 4 > len(png) or png[start + 4 : end] == b"IEND":
            break
        start = end + 4
    return bytes(made), start
