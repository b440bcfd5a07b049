"""Tests of decoding: images come out upright and complete, or are refused."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from atelier.providers.core.errors import ImageError
from atelier.providers.images import decode as decode_module
from atelier.providers.images.decode import decode, encode, flatten, is_turned, rotate_upright, to_eight_bits
from atelier.providers.images.identify import picture
from atelier.providers.images.sources import SourceLimits, normalise_source
from tests.conftest import png


def turned(format: str, orientation: int) -> bytes:
    """An image with a red top left corner, and an orientation in its Exif."""
    image = Image.new("RGB", (64, 32), "navy")
    image.paste("red", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, format, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_source_is_rotated_upright(format: str, orientation: int) -> None:
    data = turned(format, orientation)
    with Image.open(io.BytesIO(data)) as image:
        meant = ImageOps.exif_transpose(image).convert("RGB")
    made = normalise_source(data)
    assert (made.format, made.width, made.height) == (format, *meant.size)
    apart = ImageStat.Stat(ImageChops.difference(decode(made.image_bytes).convert("RGB"), meant))
    assert max(apart.mean) < 3
    assert not is_turned(made.image_bytes)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_source_that_is_upright_stays_byte_for_byte(format: str) -> None:
    for orientation in (1, 9, 300):
        data = turned(format, orientation)
        assert normalise_source(data).image_bytes is data


def test_a_broken_orientation_is_ignored() -> None:
    data = turned("jpeg", 6).replace(b"Exif\0\0MM", b"Exif\0\0XX")
    assert normalise_source(data).image_bytes == data
    assert decode(data).size == (64, 32)


def test_a_turned_picture_that_cannot_be_decoded_is_refused() -> None:
    data = turned("png", 6)
    at = data.index(b"IDAT")
    length = int.from_bytes(data[at - 4 : at])
    body = b"IDAT" + b"no zlib"
    broken = (
        data[: at - 4] + struct.pack(">I", 7) + body + struct.pack(">I", zlib.crc32(body)) + data[at + 8 + length :]
    )
    with pytest.raises(ImageError, match="cannot be decoded"):
        normalise_source(broken)


def test_rotation_keeps_the_colour_profile_and_drops_other_metadata() -> None:
    image, exif = Image.new("RGB", (8, 4), "navy"), Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif, icc_profile=b"a profile")
    made = rotate_upright(picture(out.getvalue()))
    assert b"a profile" in made.image_bytes
    assert b"where I live" not in made.image_bytes


def gif_with_a_frame_of(width: int, height: int) -> bytes:
    """A GIF with a size of one pixel and a first frame of another size."""
    frame = b"," + struct.pack("<4H", 0, 0, width, height) + b"\0"
    return b"GIF89a" + struct.pack("<2H", 1, 1) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + frame + b"\x02\x02D\x01\0;"


def test_a_gif_with_a_larger_frame_than_its_size_is_not_decoded() -> None:
    assert decode(gif_with_a_frame_of(1, 1)).size == (1, 1)
    with pytest.raises(ValueError, match="cannot be decoded"):
        decode(gif_with_a_frame_of(65535, 65535))
    with pytest.raises(ValueError, match="cannot be decoded"):
        decode(gif_with_a_frame_of(10001, 10000))


def test_a_picture_of_too_many_pixels_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "MAX_PIXELS", 100)
    with pytest.raises(ValueError, match="20x20"):
        decode(png(20, 20))


def test_the_limits_on_a_source_are_the_operators() -> None:
    with pytest.raises(ImageError, match="at most 0"):
        normalise_source(png(20, 20), SourceLimits(max_pixels=100))
    with pytest.raises(ImageError, match="larger than"):
        normalise_source(png(20, 20), SourceLimits(max_bytes=10))


def test_sixteen_bits_become_eight_and_the_transparent_grey_stays_transparent() -> None:
    image = Image.new("I;16", (2, 1), 30000)
    image.putpixel((1, 0), 65535)
    out = io.BytesIO()
    image.save(out, "PNG", transparency=65535)
    small = to_eight_bits(decode(out.getvalue()))
    assert [small.getpixel((x, 0)) for x in (0, 1)] == [(117, 255), (255, 0)]
    assert flatten(decode(out.getvalue())).getpixel((0, 0)) == (117, 117, 117)


def test_an_encoded_image_has_its_format_and_size() -> None:
    for format in ("png", "jpeg", "webp"):
        made = encode(Image.new("RGB", (9, 5)), format)
        assert (made.format, made.width, made.height) == (format, 9, 5)


def test_an_image_too_large_for_a_format_is_an_invalid_request() -> None:
    with pytest.raises(ImageError) as caught:
        encode(Image.new("L", (65_501, 1)), "jpeg")
    assert "65501x1 cannot be written as JPEG" in caught.value.message
