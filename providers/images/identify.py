"""Identify images by their bytes: format, size and completeness, without a decoder.

A flipped byte in an image is still valid JSON and valid base64, so PNG chunks are checked against their CRC.
Layouts: PNG (W3C PNG 3rd ed. 5.2), JPEG (ITU-T T.81 annex B), GIF89a, WebP (RFC 9649).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from atelier.providers.core.errors import strip_control
from atelier.providers.core.types import Picture
from atelier.providers.transport.vendor_json import invalid_response

Size = tuple[int, int]

MAGIC = (
    ("png", b"\x89PNG\r\n\x1a\n", 0),
    ("jpeg", b"\xff\xd8\xff", 0),
    ("webp", b"WEBP", 8),
    ("gif", b"GIF8", 0),
)
"""Format, its first bytes, and where they are."""


def picture(data: bytes, *, prompt_used: str | None = None, seed: int | None = None) -> Picture:
    """Return a vendor's bytes as a Picture. Raises invalid_response for anything but a whole png, jpeg, webp or gif."""
    warning = ""
    try:
        found = identify(data)
    except ValueError:
        data, warning, found = _repaired(data)
    return Picture(data, *found, strip_control(prompt_used) if prompt_used else None, seed, warning)


def _repaired(data: bytes) -> tuple[bytes, str, tuple[str, int, int]]:
    """Return a file that can be read, a warning, and what it is. Raises invalid_response."""
    from atelier.providers.images.repair import converted, repair

    try:
        data, warning = converted(data) or repair(data)
        return data, warning, identify(data)
    except ValueError as error:
        raise invalid_response(f"The vendor sent an image that cannot be read: {error}.") from None


def identify(data: bytes) -> tuple[str, int, int]:
    """Return (format, width, height) of an image. Raises ValueError with the reason."""
    format = format_of(data)
    if not format:
        raise ValueError("it is not a PNG, JPEG, WebP or GIF")
    try:
        width, height = MEASURES[format](data)
    except IndexError:
        raise ValueError("it is cut short") from None
    if not width or not height:
        raise ValueError("it has no pixels")
    return format, width, height


def format_of(data: bytes) -> str:
    """Return the format by the first bytes of a file, without reading the rest; "" if it is none of ours."""
    return next((name for name, magic, offset in MAGIC if data[offset : offset + len(magic)] == magic), "")


def _png(data: bytes) -> Size:
    position, size, view = 8, (0, 0), memoryview(data)  # a view, since pixels are not copied to be checked
    while True:
        length, kind = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        body, crc = view[position + 8 : position + 8 + length], data[position + 8 + length : position + 12 + length]
        if len(crc) != 4:
            raise ValueError("it is cut short")
        if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(crc):
            raise ValueError("a checksum does not match")
        if (kind == b"IHDR") != (position == 8):  # the header must come first, and once
            raise ValueError("its header is in the wrong place")
        if kind == b"IHDR":
            size = int.from_bytes(body[:4]), int.from_bytes(body[4:8])
        if kind == b"IEND":
            return size
        position += 12 + length


def _jpeg(data: bytes) -> Size:
    position, size = 2, None
    while data[position] == 0xFF:
        kind, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if kind == 0xFF:  # fill byte
            position += 1
            continue
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            size = int.from_bytes(data[position + 7 : position + 9]), int.from_bytes(data[position + 5 : position + 7])
        if kind == 0xDA and size:  # the pixels; a thumbnail before them has an end marker of its own
            if data.find(b"\xff\xd9", position) < 0:
                raise ValueError("it is cut short")
            return size  # phones put videos and maps after the end marker
        if kind == 0xD9 and size:
            return size
        if length < 2:
            break
        position += 2 + length
    raise ValueError("it has no frame header")


def _gif(data: bytes) -> Size:
    position, has_frame = 13 + _gif_palette(data[10]), False
    while (kind := data[position]) != 0x3B:  # the trailer; some files have more bytes after it
        if kind == 0x2C:  # a frame: its descriptor, its palette, the size of its codes
            position, has_frame = position + 10 + _gif_palette(data[position + 9]) + 1, True
        elif kind == 0x21:  # an extension and its label
            position += 2
        else:
            raise ValueError("it has a block of an unknown kind")
        while length := data[position]:
            position += 1 + length
        position += 1
    if not has_frame:
        raise ValueError("it has no frame")
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def _gif_palette(flags: int) -> int:
    """Return the bytes of the palette that these flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> Size:
    if data[:4] != b"RIFF" or len(data) < 8 + int.from_bytes(data[4:8], "little") or len(data) < 30:
        raise ValueError("it is cut short")
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
        case _:
            raise ValueError("it is a WebP of an unknown kind")


MEASURES: dict[str, Callable[[bytes], Size]] = {"png": _png, "jpeg": _jpeg, "webp": _webp, "gif": _gif}
"""Format -> the function that reads the size."""
