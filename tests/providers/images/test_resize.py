"""Tests of resized copies: they have the requested size and bytes, and invalid parameters are refused first."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.sizes import ResizeSpec, parse_resize
from atelier.providers.core.types import Picture
from atelier.providers.images.decode import decode
from atelier.providers.images.identify import picture
from atelier.providers.images.resize import resized_copy
from tests.exhaustive import examples

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(width: int, height: int, format: str = "PNG", mode: str = "RGB", **options: Any) -> Picture:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    out = io.BytesIO()
    image.convert(mode).save(out, format, **options)
    return picture(out.getvalue())


def noise(format: str, mode: str = "RGB", edge: int = 300) -> Picture:
    out = io.BytesIO()
    Image.frombytes(mode, (edge, edge), os.urandom(edge * edge * len(mode))).save(out, format)
    return picture(out.getvalue())


def colour(made: Picture, x: int, y: int) -> Any:
    return decode(made.image_bytes).getpixel((x, y))


def refusal(size: str | None, fit: str | None = None, max_kb: int | None = None) -> ImageError:
    with pytest.raises(ImageError) as caught:
        parse_resize(size, fit, max_kb)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    "size", ["0x0", "0x10", "8193x1", "1x8193", "-1x5", "800", "800x", "axb", "", "1.5x2", "99999999x1"]
)
def test_an_invalid_size_is_refused(size: str) -> None:
    assert "deliver_size" in refusal(size).message


def test_other_invalid_values_are_refused() -> None:
    for kb in (-1, 0, 3, 100_001):
        assert "deliver_max_kb" in refusal(None, None, kb).message
    assert "deliver_fit" in refusal(None, "pad").message
    assert "crop nor pad" in refusal("8x8", "stretch").message


def test_without_parameters_there_is_no_resize() -> None:
    assert parse_resize(None, None, None) is parse_resize(None, "crop", None) is None
    assert parse_resize("1200X630", None, None) == ResizeSpec(size=(1200, 630))
    assert parse_resize("8x9", "pad", 50) == ResizeSpec(size=(8, 9), fit="pad", max_kb=50)
    assert parse_resize(None, None, 4) == ResizeSpec(max_kb=4)


def test_a_crop_is_even_on_both_sides() -> None:
    made = resized_copy(halves(400, 100), ResizeSpec(size=(100, 100)))
    assert (made.width, made.height, made.format) == (100, 100, "png")
    assert (colour(made, 2, 50), colour(made, 97, 50)) == (RED, BLUE)
    assert resized_copy(halves(100, 400), ResizeSpec(size=(100, 100))).width == 100


@pytest.mark.parametrize(("mode", "around"), [("RGB", (255, 255, 255)), ("RGBA", (255, 255, 255, 0))])
def test_padding_is_white_or_transparent(mode: str, around: tuple[int, ...]) -> None:
    made = resized_copy(halves(400, 100, mode=mode), ResizeSpec(size=(200, 200), fit="pad"))
    assert (made.width, made.height) == (200, 200)
    assert colour(made, 100, 10) == colour(made, 100, 190) == around
    assert colour(made, 5, 100)[:3] == RED
    assert colour(made, 195, 100)[:3] == BLUE


@given(
    source=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    size=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    fit=st.sampled_from(["crop", "pad"]),
    format=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]),
)
@example(source=(300, 1), size=(1, 400), fit="pad", format="PNG")
@example(source=(1, 300), size=(400, 1), fit="crop", format="JPEG")
@settings(max_examples=examples(120), deadline=None)
def test_the_copy_has_exactly_the_requested_size(
    source: tuple[int, int], size: tuple[int, int], fit: Any, format: str
) -> None:
    made = resized_copy(halves(*source, format=format), ResizeSpec(size=size, fit=fit))
    assert (made.width, made.height) == size
    assert made.format == {"GIF": "png"}.get(format, format.lower())
    assert decode(made.image_bytes).size == size


@pytest.mark.parametrize(
    ("format", "mode", "becomes"),
    [("PNG", "RGB", "jpeg"), ("PNG", "RGBA", "webp"), ("JPEG", "RGB", "jpeg"), ("WEBP", "RGBA", "webp")],
)
@pytest.mark.parametrize("kb", [4, 20, 60])
def test_noise_is_made_to_fit_by_quality_then_by_size(format: str, mode: str, becomes: str, kb: int) -> None:
    made = resized_copy(noise(format, mode), ResizeSpec(max_kb=kb))
    assert made.format == becomes
    assert kb * 500 < len(made.image_bytes) <= kb * 1000


def test_a_png_that_fits_stays_a_png() -> None:
    made = resized_copy(halves(300, 300), ResizeSpec(max_kb=50))
    assert (made.format, made.width) == ("png", 300)
    assert colour(made, 0, 0) == RED


def test_an_error_says_how_many_bytes_the_size_needs() -> None:
    with pytest.raises(ImageError) as caught:
        resized_copy(noise("PNG"), ResizeSpec(size=(2000, 2000), max_kb=4))
    assert "2000x2000" in caught.value.message
    assert caught.value.reason is Reason.INVALID_REQUEST
    needed = int(caught.value.hint.split()[1])
    made = resized_copy(noise("PNG", edge=50), ResizeSpec(size=(20, 20), max_kb=needed))
    assert (made.width, len(made.image_bytes) <= needed * 1000) == (20, True)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK"])
def test_every_kind_of_image_can_be_resized(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (40, 30)).save(out, "JPEG" if mode == "CMYK" else "PNG", icc_profile=b"of other colours")
    made = resized_copy(picture(out.getvalue()), ResizeSpec(size=(20, 20), max_kb=50))
    assert (made.width, made.height) == (20, 20)
    with Image.open(io.BytesIO(made.image_bytes)) as opened:
        assert ("icc_profile" in opened.info) is (mode == "P")  # one of greys or of print colours would be wrong here


def test_a_copy_is_upright_and_keeps_only_its_colour_profile() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    made = resized_copy(halves(80, 40, "JPEG", exif=exif, icc_profile=b"a profile"), ResizeSpec(max_kb=50))
    assert (made.width, made.height) == (40, 80)
    assert b"a profile" in made.image_bytes
    assert b"where I live" not in made.image_bytes


def test_an_undecodable_image_is_an_invalid_response() -> None:
    with pytest.raises(ImageError, match="The image cannot be resized"):
        resized_copy(Picture(b"no picture", "png", 8, 8), ResizeSpec(size=(4, 4)))
