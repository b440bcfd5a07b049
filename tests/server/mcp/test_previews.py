"""Previews: small, within their shared budget, and true to whatever picture they are of."""

from __future__ import annotations

import io
import os
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from PIL import Image

from atelier.providers.images.identify import picture
from atelier.server.mcp.previews import MAX_TOTAL_BYTES, preview
from atelier.server.mcp.results import previews


def encoded(image: Image.Image, format: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, format)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("among", "edge"), [(1, 768), (2, 640), (4, 512), (10, 512)])
def test_the_long_edge_follows_the_number_of_previews(among: int, edge: int) -> None:
    with opened(preview(encoded(Image.new("RGB", (2048, 1024), "teal")), among)) as small:
        assert (small.format, small.size) == ("JPEG", (edge, edge // 2))


@pytest.mark.parametrize("among", [1, 2, 8])
def test_pure_noise_is_within_its_share(among: int) -> None:
    noise = Image.frombytes("RGB", (1024, 1024), os.urandom(3 * 1024**2))
    assert len(preview(encoded(noise), among)) <= MAX_TOTAL_BYTES // among


def test_a_small_picture_is_not_enlarged() -> None:
    with opened(preview(encoded(Image.new("RGB", (64, 48))))) as small:
        assert small.size == (64, 48)


def test_transparency_is_flattened_on_white() -> None:
    with opened(preview(encoded(Image.new("RGBA", (32, 32), (255, 0, 0, 0))))) as small:
        assert small.getpixel((16, 16)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
def test_every_mode_gives_a_baseline_rgb_jpeg(mode: str) -> None:
    format = "JPEG" if mode == "CMYK" else "PNG"
    with opened(preview(encoded(Image.new(mode, (40, 30)), format))) as small:
        assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (40, 30))
        assert "progressive" not in small.info


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    grey = Image.new("I;16", (32, 32), 0x8000)
    with opened(preview(encoded(grey))) as small:
        assert 124 <= pixel(small)[0] <= 132


def test_print_colours_that_adobe_turned_round_keep_their_meaning() -> None:
    red = encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG")
    assert b"Adobe" in red
    with opened(preview(red)) as small:
        r, g, b = pixel(small)
    assert (r > 200, g < 60, b < 60) == (True, True, True)


def test_a_palette_with_a_see_through_colour_lies_on_white() -> None:
    image = Image.new("P", (32, 32), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    out = io.BytesIO()
    image.save(out, "PNG", transparency=1)
    with opened(preview(out.getvalue())) as small:
        assert min(pixel(small)) > 250
    gif = io.BytesIO()
    image.save(gif, "GIF", transparency=1)
    with opened(preview(gif.getvalue())) as small:
        assert min(pixel(small)) > 250


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_lies_on_its_side_stands_up(format: str) -> None:
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.new("RGB", (3000, 1500), "teal").save(out, format, exif=exif)
    with opened(preview(out.getvalue())) as small:
        assert small.size == (384, 768)


@pytest.mark.anyio
async def test_a_kept_preview_is_taken_as_it_is_when_it_fits() -> None:
    fox = picture(encoded(Image.new("RGB", (32, 32), "orange")))
    assert await previews([fox, fox], [b"kept", None]) == [b"kept", preview(fox.image_bytes, 2)]
    too_large = b"x" * (MAX_TOTAL_BYTES // 2 + 1)
    assert await previews([fox, fox], [too_large, b"kept"]) == [preview(fox.image_bytes, 2), b"kept"]


@pytest.mark.anyio
async def test_the_event_loop_goes_on_while_previews_are_made() -> None:
    noise = picture(encoded(Image.frombytes("RGB", (1024, 1024), os.urandom(3 * 1024**2))))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await previews([noise])
        tasks.cancel_scope.cancel()
    assert turns > 100


def test_metadata_stays_behind() -> None:
    exif = Image.Exif()
    exif[0x010E] = "somewhere at home"
    out = io.BytesIO()
    Image.new("RGB", (32, 32)).save(out, "JPEG", exif=exif)
    assert b"somewhere" in out.getvalue()
    assert b"somewhere" not in preview(out.getvalue())


@pytest.mark.parametrize("data", [b"", b"no picture", encoded(Image.new("RGB", (64, 64)))[:60]])
def test_what_cannot_be_decoded_has_no_preview(data: bytes) -> None:
    assert preview(data) == b""


def pixel(image: Image.Image) -> Any:
    return image.getpixel((16, 16))
