"""Tests of multipart forms: file names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atelier.providers.images.decode import decode, encode
from atelier.providers.images.identify import picture
from atelier.providers.transport.multipart import file_name, multipart
from tests.conftest import png

FOX = picture(png(4, 4))
PHOTO = encode(decode(FOX.image_bytes), "jpeg")

NAMES = {
    "fox.png": "fox.png",
    "Red Fox (1).PNG": "Red Fox (1).PNG",
    "füchse.png": "füchse.png",
    "at 9.41.07\u202fAM.png": "at 9.41.07 AM.png",
    "/home/alice/fox.png": "fox.png",
    "C:\\Users\\alice\\fox.png": "fox.png",
    'fox".png': "fox.png",
    'x"; filename="../owl.png': "owl.png",
    "fox\r\nX-Header: 1\x00\u202e.png": "fox  X-Header: 1.png",
    "fox\udcff.png": "fox.png",
    "fox.txt": "fox.txt.png",
    "fox": "fox.png",
    "": "image.png",
    "\n": "image.png",
    "..": "...png",
}


@pytest.mark.parametrize(("name", "sent"), NAMES.items())
def test_a_file_keeps_its_name_without_characters_that_break_forms(name: str, sent: str) -> None:
    assert file_name(replace(FOX, name=name)) == sent
    form = multipart("https://host.invalid/x", {}, [("image", replace(FOX, name=name))])
    (head,) = (line for line in form.content.split(b"\r\n") if line.lower().startswith(b"content-disposition"))
    assert head.decode().endswith(f'name="image"; filename="{sent}"')


def test_the_suffix_matches_the_bytes() -> None:
    assert file_name(replace(PHOTO, name="fox.JPG")) == "fox.JPG"
    assert file_name(replace(PHOTO, name="fox.heic")) == "fox.heic.jpeg"
    assert file_name(PHOTO) == "image.jpeg"


def test_a_name_does_not_change_the_equality_of_pictures() -> None:
    assert replace(FOX, name="fox.png") == FOX
    assert "alice" not in repr(replace(FOX, name="alice.png"))
