"""Tests of identifying images: every format, and bytes that must not crash it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.identify import identify, picture
from tests.conftest import png


def encoded(format: str, size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(out, format, **options)
    return out.getvalue()


SAMPLES = {
    "png": encoded("PNG", (33, 21)),
    "jpeg": encoded("JPEG", (33, 21)),
    "jpeg progressive": encoded("JPEG", (33, 21), progressive=True),
    "jpeg with exif": encoded("JPEG", (33, 21), exif=b"Exif\0\0" + bytes(300)),
    "webp lossy": encoded("WEBP", (33, 21)),
    "webp lossless": encoded("WEBP", (33, 21), lossless=True),
    "webp with alpha": encoded("WEBP", (33, 21), mode="RGBA", exif=b"Exif\0\0" + bytes(30)),
    "gif": encoded("GIF", (33, 21), mode="L"),
}
each_sample = pytest.mark.parametrize("name", SAMPLES)


@each_sample
def test_format_and_size_come_from_the_content(name: str) -> None:
    assert identify(SAMPLES[name]) == (name.split()[0], 33, 21)


@each_sample
def test_a_picture_that_is_cut_short_is_refused(name: str) -> None:
    data = SAMPLES[name]
    for length in (0, 3, 7, 12, 20, len(data) // 2):
        with pytest.raises(ValueError, match=r"short|not a PNG|header"):
            identify(data[:length])


def test_a_flipped_byte_in_a_png_is_found_by_its_checksum() -> None:
    data = bytearray(png(64, 64))
    data[len(data) // 2] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        identify(bytes(data))


@given(name=st.sampled_from(sorted(SAMPLES)), at=st.integers(0, 10_000), to=st.binary(min_size=1, max_size=4))
def test_no_damage_crashes_identify(name: str, at: int, to: bytes) -> None:
    data = bytearray(SAMPLES[name])
    at %= len(data)
    data[at : at + len(to)] = to
    try:
        format, width, height = identify(bytes(data))
    except ValueError:
        return
    assert format in ("png", "jpeg", "webp", "gif")
    assert min(width, height) > 0


@given(st.binary(max_size=200))
def test_no_bytes_crash_identify(data: bytes) -> None:
    for magic in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x20\0\0\0WEBP", b"GIF89a"):
        try:
            identify(magic + data)
        except ValueError:
            continue


def test_other_bytes_of_a_vendor_are_an_invalid_response_that_may_be_billed() -> None:
    with pytest.raises(ImageError) as caught:
        picture(b"<html>")
    assert caught.value.reason is Reason.INVALID_RESPONSE
    assert caught.value.outcome_unknown


def test_the_bytes_of_a_picture_are_not_in_its_repr() -> None:
    assert len(repr(picture(SAMPLES["png"]))) < 120
