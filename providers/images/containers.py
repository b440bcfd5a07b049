"""Read and write metadata in image files without touching the pixels.

Layouts: PNG (W3C PNG 3rd ed. 5.3, 11.3.3.4), JPEG (ITU-T T.81 annex B; XMP part 3, 1.1.3), WebP (RFC 9649 2.5 to
2.7), C2PA manifests (C2PA 2.2, annex A.3). All functions raise ValueError for a file with another layout.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

XMP_KEYWORD = b"XML:com.adobe.xmp"  # of a PNG's iTXt
XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"  # of a JPEG's APP1
EXIF_PREFIX = b"Exif\0\0"
MAX_JPEG_PACKET = 0xFFFF - 2 - len(XMP_PREFIX)  # of a packet in one segment
XMP_FLAG = 0x04  # in a WebP's extended header: the file has a packet
MAX_NOTE_BYTES = 2**20  # of a decompressed note


class Part(NamedTuple):
    """A chunk of a PNG or WebP, or a segment of a JPEG; `start` and `end` are its offsets in the file."""

    kind: bytes
    body: bytes
    start: int
    end: int


def parts(format: str, data: bytes) -> list[Part]:
    """Return the parts of a file; of a JPEG those before its first scan."""
    return list(PARTS[format](data))


def _png(data: bytes) -> Iterator[Part]:
    start = 8
    while start < len(data):
        length, kind = _unpack(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            raise ValueError("a chunk is cut short")
        yield Part(kind, data[start + 8 : end - 4], start, end)
        if kind == b"IEND":
            return
        start = end
    raise ValueError("there is no end")


def _jpeg(data: bytes) -> Iterator[Part]:
    start = 2
    while True:
        marker, kind, length = _unpack(">BBH", data, start)
        end = start + 2 + length
        if marker != 0xFF or kind in (0x00, 0xFF) or 0xD0 <= kind <= 0xD9 or length < 2 or end > len(data):
            raise ValueError("a segment is broken")
        yield Part(bytes([kind]), data[start + 4 : end], start, end)
        if kind == SCAN[0]:
            return
        start = end


def _webp(data: bytes) -> Iterator[Part]:
    if struct.unpack_from("<I", data, 4)[0] + 8 != len(data):
        raise ValueError("the length is wrong")
    start = 12
    while start < len(data):
        kind, length = _unpack("<4sI", data, start)
        end = start + 8 + length + length % 2
        if end > len(data):
            raise ValueError("a chunk is cut short")
        yield Part(kind, data[start + 8 : start + 8 + length], start, end)
        start = end


SCAN, APP0, APP1, APP2, APP11 = b"\xda", b"\xe0", b"\xe1", b"\xe2", b"\xeb"
PARTS: dict[str, Callable[[bytes], Iterator[Part]]] = {"png": _png, "jpeg": _jpeg, "webp": _webp}
"""The formats that can hold metadata."""


def is_signed(format: str, all: list[Part]) -> bool:
    """Whether the file has a C2PA manifest, whose signature covers every other byte."""
    match format:
        case "png":
            return any(part.kind == b"caBX" for part in all)
        case "jpeg":
            return any(part.kind == APP11 and part.body[:2] == b"JP" and b"c2pa" in part.body for part in all)
        case _:
            return any(part.kind == b"C2PA" for part in all)


def xmp_of(format: str, all: list[Part]) -> tuple[Part, bytes] | None:
    """Return the part with the XMP packet, and the packet."""
    for part in all:
        if format == "png" and part.kind == b"iTXt" and part.body.startswith(XMP_KEYWORD + b"\0"):
            return part, _itxt(part.body)
        if format == "jpeg" and part.kind == APP1 and part.body.startswith(XMP_PREFIX):
            return part, part.body[len(XMP_PREFIX) :]
        if format == "webp" and part.kind == b"XMP ":
            return part, part.body
    return None


def with_xmp(format: str, data: bytes, all: list[Part], packet: bytes) -> bytes:
    """Return the file with this XMP packet instead of its own, or inserted as the first."""
    found = xmp_of(format, all)
    match format:
        case "png":
            made = _chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + packet)
            at = found[0][2:] if found else (all[0].end, all[0].end)  # after IHDR: some readers stop at the pixels
        case "jpeg":
            if len(packet) > MAX_JPEG_PACKET or any(part.kind == APP2 and part.body[:4] == b"MPF\0" for part in all):
                raise ValueError("there is no room, or the file holds several images")
            made = b"\xff" + APP1 + struct.pack(">H", 2 + len(XMP_PREFIX) + len(packet)) + XMP_PREFIX + packet
            first = next(part for part in all if part.kind != APP0 and not part.body.startswith(EXIF_PREFIX))
            at = found[0][2:] if found else (first.start, first.start)
        case _:
            return _webp_with(data, all, found[0] if found else None, packet)
    return data[: at[0]] + made + data[at[1] :]


def without(format: str, data: bytes, all: list[Part], part: Part) -> bytes:
    """The same file without the XMP packet that is in that part."""
    if format != "webp":
        return data[: part.start] + data[part.end :]
    head, *rest = [each for each in all if each is not part]
    if head.kind != b"VP8X":
        raise ValueError("there is a packet that the header does not know of")
    header = _riff(b"VP8X", bytes([head.body[0] & ~XMP_FLAG]) + head.body[1:])
    return _webp_of([header, *(data[each.start : each.end] for each in rest)])


def _webp_with(data: bytes, all: list[Part], old: Part | None, packet: bytes) -> bytes:
    """A simple file becomes an extended one, whose header says that there is a packet."""
    head, rest = all[0], [part for part in all if part is not old]
    if head.kind == b"VP8X":
        if len(head.body) != 10:
            raise ValueError("the header is of another size")
        header, rest = bytes([head.body[0] | XMP_FLAG]) + head.body[1:], rest[1:]
    elif head.kind == b"VP8L":
        bits = struct.unpack_from("<I", head.body, 1)[0]
        header = _vp8x(bits & 0x3FFF, bits >> 14 & 0x3FFF, alpha=bool(bits >> 28 & 1))
    elif head.kind == b"VP8 ":
        width, height = _unpack("<HH", head.body, 6)
        header = _vp8x((width & 0x3FFF) - 1, (height & 0x3FFF) - 1, alpha=False)
    else:
        raise ValueError("the first chunk is of no known kind")
    chunks = [_riff(b"VP8X", header), *(data[part.start : part.end] for part in rest), _riff(b"XMP ", packet)]
    return _webp_of(chunks)


def _webp_of(chunks: list[bytes]) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _vp8x(width: int, height: int, *, alpha: bool) -> bytes:
    """Return the extended header; width and height are given minus one."""
    return bytes([XMP_FLAG | alpha << 4, 0, 0, 0]) + width.to_bytes(3, "little") + height.to_bytes(3, "little")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _itxt(body: bytes) -> bytes:
    """Return the text of an iTXt, which follows keyword, two flags, language and translated keyword."""
    _, _, rest = body.partition(b"\0")
    text = rest[2:].split(b"\0", 2)[-1]
    if rest[:1] != b"\1":
        return text
    try:
        return zlib.decompressobj().decompress(text, MAX_NOTE_BYTES)
    except zlib.error:
        raise ValueError("a note cannot be decompressed") from None


def _unpack(layout: str, data: bytes, start: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, data, start)
    except struct.error:
        raise ValueError("it is cut short") from None
