"""Truncated and corrupt pictures through everything that reads pictures: no crash, and one clear error at most."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.sizes import ResizeSpec
from atelier.providers.core.types import Picture
from atelier.providers.images.identify import format_of
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.provenance import has_c2pa, read
from atelier.providers.images.resize import resized_copy
from atelier.providers.images.sources import normalise_source
from atelier.server.mcp.previews import preview
from tests.exhaustive import examples
from tests.providers.images.test_provenance import signed, with_facts

FACTS = {"id": "img_x", "prompt": "a fox", "model": "m"}
KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "P", {"transparency": 1}), ("PNG", "I;16", {}), ("PNG", "1", {}),
    ("JPEG", "RGB", {}), ("JPEG", "RGB", {"progressive": True}), ("JPEG", "CMYK", {}), ("JPEG", "L", {}),
    ("WEBP", "RGB", {}), ("WEBP", "RGBA", {"lossless": True}), ("WEBP", "RGBA", {}), ("GIF", "P", {}),
    ("GIF", "P", {"save_all": True, "append_images": [Image.new("P", (24, 18), 3)]}),
    ("WEBP", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (24, 18), "red")]}),
]  # fmt: skip


def seed(index: int) -> bytes:
    """A whole picture of one of the kinds, lying on its side where that can be said."""
    format, mode, options = KINDS[index]
    slope = Image.linear_gradient("L").crop((90, 90, 114, 108))
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    image = Image.new("I;16", slope.size, 30_000) if mode == "I;16" else slope.convert(mode)
    image.save(out, format, **options, **({} if format == "GIF" else {"exif": exif}))
    return out.getvalue()


SEEDS = [*(seed(index) for index in range(len(KINDS))), *map(signed, ("png", "jpeg", "webp"))]
every_seed = pytest.mark.parametrize("index", range(len(SEEDS)))


def mended(data: bytes) -> bytes:
    """A PNG whose checksums are right again, so that what is broken reaches the decoder."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    made, at = bytearray(data), 8
    while at + 12 <= len(made):
        end = at + 12 + int.from_bytes(made[at : at + 4])
        if end > len(made):
            break
        made[end - 4 : end] = struct.pack(">I", zlib.crc32(made[at + 4 : end - 4]))
        at = end
    return bytes(made)


def is_clear(error: ImageError) -> bool:
    """One sentence or two, a hint, and nothing of a decoder's inside."""
    return bool(
        error.message.endswith(".") and error.hint and len(error.message) < 200 and "Error" not in error.message
    ) and error.reason in (Reason.INVALID_REQUEST, Reason.INVALID_RESPONSE)


def everywhere(data: bytes) -> int:
    """Put the bytes through all that reads pictures; how much of it took them."""
    taken, format = 0, format_of(data) or "png"
    for use in (
        lambda: normalise_source(data),
        lambda: normalise_mask(data),
        lambda: resized_copy(Picture(data, format, 1, 1), ResizeSpec(size=(5, 4), fit="pad")),
        lambda: resized_copy(Picture(data, format, 1, 1), ResizeSpec(max_kb=4)),
    ):
        try:
            use()
            taken += 1
        except ImageError as error:
            assert is_clear(error), error.message  # noqa: PT017
    small = preview(data)
    assert small[:2] in (b"", b"\xff\xd8")
    after = with_facts(data, FACTS)
    assert after is data or read(after) == FACTS
    assert after is data or not has_c2pa(data)
    return taken + bool(small)


@every_seed
def test_a_whole_picture_is_taken_everywhere(index: int) -> None:
    assert everywhere(SEEDS[index]) == 5


@every_seed
def test_a_picture_cut_anywhere_is_taken_or_refused(index: int) -> None:
    data = SEEDS[index]
    for length in {*range(0, len(data), 37), *range(16), *range(len(data) - 16, len(data))}:
        taken = everywhere(data[:length])
        assert length > 16 or taken == 0


@given(index=st.integers(0, len(SEEDS) - 1), data=st.data())
@settings(max_examples=examples(500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_scratched_picture_is_taken_or_refused(index: int, data: st.DataObject) -> None:
    made = bytearray(SEEDS[index])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(made) - 1))
        match data.draw(st.sampled_from(["byte", "bit", "gone", "more", "zero", "large"])):
            case "byte":
                made[at] = data.draw(st.integers(0, 255))
            case "bit":
                made[at] ^= 1 << data.draw(st.integers(0, 7))
            case "gone":
                del made[at : at + data.draw(st.integers(1, 20))]
            case "more":
                made[at:at] = data.draw(st.binary(max_size=20))
            case "zero":
                made[at : at + 4] = bytes(len(made[at : at + 4]))
            case _:
                made[at : at + 4] = b"\xff" * len(made[at : at + 4])
        if not made:
            break
    everywhere(mended(bytes(made)) if data.draw(st.booleans()) else bytes(made))


@example(start=b"GIF89a", rest=b"\0\1\0\1\0\0\0")  # a header of 256 x 256 pixels
@example(start=b"GIF89a", rest=b"\0\1\0\1\0\0\0;")
@given(
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8X", b"GIF89a"]),
    rest=st.binary(),
)
@settings(max_examples=examples(200), deadline=None)
def test_bytes_that_only_begin_like_a_picture_are_refused_everywhere(start: bytes, rest: bytes) -> None:
    assert everywhere(start + rest) == 0
