"""Tests of repairing image files: accepted with a warning if only a few bytes are wrong."""

from __future__ import annotations

import io
import struct
import zlib
from base64 import b64encode
from typing import Any

import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError
from atelier.providers.images.decode import decode
from atelier.providers.images.identify import identify, picture
from atelier.providers.images.repair import repair
from atelier.providers.images.sources import SourceReader, normalise_source

pytestmark = pytest.mark.anyio


def file(format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGB").save(out, format, **options)
    return out.getvalue()


def with_chunk(png: bytes, kind: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    """Return the PNG with an additional chunk after its header."""
    right = zlib.crc32(body, zlib.crc32(kind))
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", right if crc is None else crc)
    return png[:33] + chunk + png[33:]


PLAIN = {format: file(format) for format in ("png", "jpeg", "webp", "gif")}
ODD = {
    "bytes after a PNG": PLAIN["png"] + b"trailing bytes",
    "bytes after a JPEG": PLAIN["jpeg"] + b"ftypmp42" * 40,
    "bytes after a GIF": PLAIN["gif"] + b"\0more",
    "a colour profile of 2 MB": with_chunk(PLAIN["png"], b"iCCP", b"big\0\0" + zlib.compress(bytes(2 * 2**20))),
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_a_decodable_file_stays_unchanged(data: bytes) -> None:
    image = picture(data)
    assert (image.image_bytes, image.width, image.height, image.warning) == (data, 64, 48, "")
    assert decode(data).size == (64, 48)
    assert normalise_source(data).width == 64


@pytest.mark.parametrize("format", PLAIN)
def test_an_ordinary_file_has_no_warning(format: str) -> None:
    image = picture(PLAIN[format])
    assert (image.image_bytes, image.warning) == (PLAIN[format], "")


def test_a_jpeg_without_its_end_marker_gets_one_and_a_warning() -> None:
    cut = PLAIN["jpeg"].removesuffix(b"\xff\xd9")
    image = picture(cut)
    assert image.image_bytes == PLAIN["jpeg"]
    assert "no end marker" in image.warning
    assert normalise_source(cut).warning == image.warning


@pytest.mark.parametrize("missing", [1, 5, 12])
def test_a_png_without_its_end_chunk_gets_one_and_a_warning(missing: int) -> None:
    image = picture(PLAIN["png"][:-missing])
    assert image.image_bytes == PLAIN["png"]
    assert "no end marker" in image.warning


@pytest.mark.parametrize("missing", [13, 40, None], ids=["checksum", "last bytes", "last chunk of pixels"])
def test_a_png_whose_pixels_are_cut_is_refused(missing: int | None) -> None:
    out = io.BytesIO()
    Image.effect_noise((400, 400), 90).save(out, "png")
    assert out.getvalue().count(b"IDAT") > 1
    at = -missing if missing else out.getvalue().rindex(b"IDAT") - 4
    with pytest.raises(ImageError, match="cannot be read"):
        picture(out.getvalue()[:at])


def test_a_bad_checksum_of_a_note_is_put_right() -> None:
    image = picture(with_chunk(PLAIN["png"], b"tEXt", b"Title\0fox", crc=7))
    assert image.image_bytes == with_chunk(PLAIN["png"], b"tEXt", b"Title\0fox")
    assert decode(image.image_bytes).size == (64, 48)
    assert "checksum" in image.warning


def test_a_webp_that_lacks_its_padding_byte_gets_one_and_a_warning() -> None:
    odd = PLAIN["webp"] + b"JUNK\x01\0\0\0x\0"
    whole = odd[:4] + struct.pack("<I", len(odd) - 8) + odd[8:]
    image = picture(whole[:-1])
    assert image.image_bytes == whole
    assert "padding byte" in image.warning


@pytest.mark.parametrize("length", [100, 700])
@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_half_a_picture_is_still_refused(format: str, length: int) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        picture(PLAIN[format][:length])


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture() -> None:
    thumbnail = b"Exif\0\0" + PLAIN["jpeg"]
    head = PLAIN["jpeg"][:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    assert picture(head + PLAIN["jpeg"][2:]).width == 64
    with pytest.raises(ImageError, match="cut short"):
        picture(head + PLAIN["jpeg"][2 : len(PLAIN["jpeg"]) // 2])


def test_half_a_gif_is_refused() -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        picture(PLAIN["gif"][: len(PLAIN["gif"]) // 2] + b";" * 3)


def test_a_bad_checksum_where_the_pixels_are_is_refused() -> None:
    at = PLAIN["png"].index(b"IDAT") + 40
    with pytest.raises(ImageError, match="checksum"):
        picture(PLAIN["png"][:at] + bytes([PLAIN["png"][at] ^ 1]) + PLAIN["png"][at + 1 :])


@pytest.mark.parametrize("format", PLAIN)
async def test_bare_base64_names_a_picture(format: str) -> None:
    text = b64encode(PLAIN[format]).decode()
    found = await SourceReader().read("\n".join(text[at : at + 76] for at in range(0, len(text), 76)))
    assert identify(found.picture.image_bytes)[1:] == (64, 48)


async def test_a_photo_of_several_megabytes_may_come_as_a_data_uri() -> None:
    out = io.BytesIO()
    Image.effect_noise((1600, 1600), 90).save(out, "png")
    assert len(out.getvalue()) > 2_000_000
    found = await SourceReader().read("data:image/png;base64," + b64encode(out.getvalue()).decode())
    assert found.picture.width == 1600


@pytest.mark.parametrize("format", ["BMP", "TIFF", "AVIF", "JPEG2000"])
def test_a_vendors_image_in_another_format_is_converted(format: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, format)
    made = picture(out.getvalue())
    assert (made.format, made.width, made.height) == ("png", 40, 30)
    assert f"as {format}" in made.warning
    assert decode(made.image_bytes).convert("RGB").getextrema()[0][0] > 240  # pyright: ignore[reportIndexIssue, reportArgumentType]
    with pytest.raises(ImageError):
        picture(out.getvalue()[: len(out.getvalue()) // 2])


def test_a_gif_without_its_trailer_gets_one_and_a_warning() -> None:
    out = io.BytesIO()
    Image.new("P", (40, 30)).save(out, "GIF")
    whole, warning = repair(out.getvalue()[:-1])
    assert whole == out.getvalue()
    assert "end marker" in warning
