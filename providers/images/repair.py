"""Image files that decoders show although they are not whole: the few bytes that are missing or wrong are put right."""

from __future__ import annotations

import zlib

from atelier.providers.images.decode import decodes_fully
from atelier.providers.images.identify import identify

PNG_START, JPEG_START, JPEG_END = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xd9"
ANCILLARY = 0x20  # bit of a chunk's first letter: the picture can be shown without it (W3C PNG 3rd ed. 5.4)


def repair(data: bytes) -> tuple[bytes, str]:
    """Return the file as it can be read everywhere, and a warning where something had to be put right.

    Raises ValueError, which says what is wrong with it, when that is more than these few bytes.
    """
    try:
        identify(data)
    except ValueError:
        whole, warning = _put_right(data)
        identify(whole)
        return whole, warning
    return data, ""


def _put_right(data: bytes) -> tuple[bytes, str]:
    if data.startswith(PNG_START):
        return _with_checksums(data), "A note in the image file had a wrong checksum, which was put right."
    if data.startswith(JPEG_START) and decodes_fully(data + JPEG_END):
        return data + JPEG_END, "The image file had no end marker, so that it may be incomplete; the marker was added."
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) == 7 + int.from_bytes(data[4:8], "little"):
        return data + b"\0", "The image file was one byte short of the size that it states; a padding byte was added."
    return data, ""


def _with_checksums(png: bytes) -> bytes:
    """The same file with the right CRC behind each ancillary chunk; a wrong one elsewhere means broken pixels."""
    made, start = bytearray(png), len(PNG_START)
    while start + 12 <= len(png):
        end = start + 8 + int.from_bytes(png[start : start + 4])
        if png[start + 4] & ANCILLARY and end + 4 <= len(png):
            made[end : end + 4] = zlib.crc32(png[start + 4 : end]).to_bytes(4)
        start = end + 4
    return bytes(made)
