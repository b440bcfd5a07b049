"""Tests of HEIC and AVIF sources: their conversion, and the errors if they cannot be opened."""

from __future__ import annotations

import io
import sys
from typing import Any

import pillow_heif
import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images import sources
from atelier.providers.images.repair import heif_kind
from atelier.providers.images.sources import SourceLimits, normalise_source
from tests.conftest import png
from tests.exhaustive import exhaustive

KINDS = ("HEIF", "AVIF")


def phone_file(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """A file as a phone writes it, blue on the left and red on the right."""
    pillow_heif.register_heif_opener()  # pyright: ignore[reportUnknownMemberType]
    if image is None:
        image = Image.new("RGB", (64, 32), "red")
        image.paste("blue", (0, 0, 16, 32))
    out = io.BytesIO()
    image.save(out, kind, quality=95, **options)
    return out.getvalue()


def photo() -> Image.Image:
    """An image with very many colours."""
    return Image.merge("RGB", [Image.effect_noise((400, 400), 90) for _ in range(3)])


def colour(data: bytes, place: tuple[int, int]) -> str:
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    red, _, blue, alpha = image.crop((*place, place[0] + 1, place[1] + 1)).tobytes()
    return "clear" if alpha < 10 else "red" if red > 200 > 60 > blue else "blue" if blue > 200 > 60 > red else "?"


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_becomes_a_png_with_the_same_pixels(kind: str) -> None:
    found = normalise_source(phone_file(kind))
    assert (found.format, found.width, found.height) == ("png", 64, 32)
    assert (colour(found.image_bytes, (4, 4)), colour(found.image_bytes, (60, 28))) == ("blue", "red")
    assert found.image_bytes == normalise_source(phone_file(kind)).image_bytes  # the same file is the same picture


@exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_becomes_a_smaller_jpeg(kind: str) -> None:
    assert normalise_source(phone_file(kind, photo(), subsampling="4:4:4", chroma=444)).format == "jpeg"


@pytest.mark.parametrize("kind", KINDS)
def test_the_orientation_is_applied(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # its left side is up
    found = normalise_source(phone_file(kind, exif=exif.tobytes()))
    assert (found.width, found.height) == (32, 64)
    assert (colour(found.image_bytes, (4, 4)), colour(found.image_bytes, (28, 60))) == ("blue", "red")


@exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_transparency_is_kept(kind: str) -> None:
    image = photo().convert("RGBA")
    image.paste((255, 0, 0, 255), (0, 0, 64, 32))
    image.paste((0, 0, 0, 0), (0, 0, 32, 32))
    found = normalise_source(phone_file(kind, image, chroma=444))
    assert found.format == "png"
    assert (colour(found.image_bytes, (4, 4)), colour(found.image_bytes, (60, 4))) == ("clear", "red")


@pytest.mark.parametrize("kind", KINDS)
def test_the_colour_profile_is_kept(kind: str) -> None:
    profile = b"a colour profile".ljust(200, b"\0")
    found = normalise_source(phone_file(kind, icc_profile=profile))
    assert Image.open(io.BytesIO(found.image_bytes)).info["icc_profile"] == profile


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_too_many_pixels_is_refused_before_decoding(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sources, "convert_heif")
    with pytest.raises(ImageError, match=r"has 64x32 pixels; at most 0\.001 million are allowed"):
        normalise_source(phone_file(kind), SourceLimits(max_pixels=1000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_broken_file_is_an_invalid_request(kind: str, part: float) -> None:
    data = phone_file(kind)
    with pytest.raises(ImageError) as caught:
        normalise_source(data[: int(len(data) * part)])
    assert caught.value.message == "The source image cannot be used: it cannot be decoded."
    assert caught.value.reason is Reason.INVALID_REQUEST


def test_without_the_decoder_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = phone_file("HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError) as caught:
        normalise_source(data)
    assert "HEIC" in caught.value.message
    assert 'pip install "atelier-mcp[heic]"' in caught.value.hint
    assert normalise_source(phone_file("AVIF")).format == "png"  # which Pillow opens by itself


def box(*brands: bytes) -> bytes:
    return (16 + 4 * len(brands[1:])).to_bytes(4) + b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])


def test_a_file_is_identified_by_its_brands() -> None:
    assert heif_kind(box(b"heic", b"mif1")) == heif_kind(box(b"mif1", b"heic")) == heif_kind(box(b"heix")) == "HEIC"
    assert heif_kind(box(b"avif", b"mif1")) == heif_kind(box(b"mif1", b"miaf", b"avif")) == "AVIF"
    assert heif_kind(box(b"isom", b"mp42")) is heif_kind(png(4, 4)) is heif_kind(b"") is heif_kind(b"ftyp") is None
