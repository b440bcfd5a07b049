"""Tests of masks: both conventions are read, normalised to one, and converted back."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.masks import normalise_mask, transparent_where_white
from atelier.providers.images.sources import normalise_source
from tests.conftest import encoded_png, png


def halves(mode: str, left: object, right: object) -> bytes:
    image = Image.new(mode, (8, 4), left)  # pyright: ignore[reportArgumentType]
    image.paste(right, (4, 0, 8, 4))  # pyright: ignore[reportArgumentType]
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        halves("L", 255, 0),
        halves("RGB", (255, 255, 255), (0, 0, 0)),
        halves("RGBA", (9, 9, 9, 0), (9, 9, 9, 255)),
        halves("LA", (0, 0), (0, 255)),
        halves("1", 1, 0),
    ],
    ids=["white", "white RGB", "transparent", "transparent grey", "one bit"],
)
def test_either_convention_becomes_white_where_it_changes(data: bytes) -> None:
    made = normalise_mask(data)
    with Image.open(io.BytesIO(made.image_bytes)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (8, 4))
        assert (image.getpixel((0, 0)), image.getpixel((7, 3))) == (255, 0)
    assert (made.format, made.width, made.height) == ("png", 8, 4)


def test_a_few_soft_pixels_do_not_make_it_an_alpha_mask() -> None:
    image = Image.open(io.BytesIO(halves("RGBA", (255, 255, 255, 255), (0, 0, 0, 255))))
    image.putpixel((0, 0), (255, 255, 255, 254))
    with Image.open(io.BytesIO(normalise_mask(encoded_png(image)).image_bytes)) as made:
        assert (made.getpixel((1, 0)), made.getpixel((7, 3))) == (255, 0)


@pytest.mark.parametrize("data", [halves("L", 0, 0), halves("RGBA", (0, 0, 0, 255), (0, 0, 0, 255))])
def test_a_mask_that_marks_nothing_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="nothing"):
        normalise_mask(data)


@pytest.mark.parametrize("colour", [(255, 255, 255, 255), (0, 0, 0, 255), (90, 20, 20, 255)])
def test_an_alpha_mask_ignores_colours(colour: tuple[int, int, int, int]) -> None:
    with Image.open(io.BytesIO(normalise_mask(halves("RGBA", colour, (0, 0, 0, 0))).image_bytes)) as made:
        assert (made.getpixel((0, 0)), made.getpixel((7, 3))) == (0, 255)


def test_a_second_header_does_not_change_the_size() -> None:
    honest, liar = png(300, 200, mode="1", colour=0), png(8, 8)
    header = liar[8 : 8 + 25]
    end = honest.index(b"IEND") - 4
    with pytest.raises(ImageError, match="header"):
        normalise_source(honest[:end] + header + honest[end:])


def test_soft_edges_stay_soft() -> None:
    with Image.open(io.BytesIO(normalise_mask(halves("L", 128, 0)).image_bytes)) as image:
        assert image.getpixel((0, 0)) == 128


@pytest.mark.parametrize("data", [b"", b"no picture", png(8, 8)[:-20]])
def test_other_bytes_are_an_invalid_request(data: bytes) -> None:
    for read in (normalise_source, normalise_mask):
        with pytest.raises(ImageError) as caught:
            read(data)
        assert caught.value.reason is Reason.INVALID_REQUEST
        assert not caught.value.outcome_unknown


def test_a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ImageError) as caught:
        normalise_source(png(8000, 8000, mode="1", colour=0))
    assert "64" not in caught.value.hint
    assert "8000x8000" in caught.value.message


def test_the_other_convention_is_transparent_where_it_changes() -> None:
    turned = transparent_where_white(normalise_mask(halves("L", 255, 0)))
    with Image.open(io.BytesIO(turned.image_bytes)) as image:
        assert (image.mode, image.getpixel((0, 0)), image.getpixel((7, 3))) == ("RGBA", (0, 0, 0, 0), (0, 0, 0, 255))
