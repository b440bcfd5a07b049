"""The emulator by plain HTTP: there is no official client in Python. Requests are those of the vendor's docs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from atelier.providers.testing.emulators.ideogram import Ideogram
from atelier.providers.testing.fixtures import served
from atelier.providers.transport.wire import httpx
from tests.conftest import png


@pytest.fixture
def ideogram() -> Iterator[Ideogram]:
    yield from served(Ideogram())


def posted(ideogram: Ideogram, endpoint: str, key: str = "", files: Any = None, **fields: str) -> httpx.Response:
    parts: dict[str, Any] = {**{name: (None, value) for name, value in fields.items()}, **(files or {})}
    headers = {"Api-Key": key or ideogram.key}
    return httpx.post(f"{ideogram.url}/v1/ideogram-v3/{endpoint}", headers=headers, files=parts)


def test_the_example_of_the_docs_has_links_to_images(ideogram: Ideogram) -> None:
    answer = posted(ideogram, "generate", prompt="a fox", rendering_speed="TURBO", num_images="2")
    assert answer.status_code == 200
    links = [item["url"] for item in answer.json()["data"]]
    assert len(links) == 2
    assert httpx.get(links[0]).headers["content-type"] == "image/png"
    assert [(float(bill.usd), bill.pictures) for bill in ideogram.billed] == [(0.06, 2)]


@pytest.mark.parametrize(
    ("endpoint", "status", "asked"),
    [
        ("generate", 401, {"key": "wrong", "prompt": "a fox"}),
        ("generate", 400, {"prompt": ""}),
        ("generate", 400, {"prompt": "a fox", "num_images": "9"}),
        ("generate", 400, {"prompt": "a fox", "rendering_speed": "FLASH"}),
        ("generate", 400, {"prompt": "a fox", "unheard": "1"}),
        ("remix", 400, {"prompt": "a fox"}),
        ("paint", 404, {"prompt": "a fox"}),
    ],
)
def test_what_the_vendor_refuses_is_not_billed(
    ideogram: Ideogram, endpoint: str, status: int, asked: dict[str, str]
) -> None:
    assert posted(ideogram, endpoint, **asked).status_code == status
    assert ideogram.billed == []


def test_a_mask_has_to_be_as_large_as_the_image(ideogram: Ideogram) -> None:
    files = {name: (f"{name}.png", png(edge, edge), "image/png") for name, edge in (("image", 64), ("mask", 32))}
    assert posted(ideogram, "inpaint", files=files, prompt="a hat").status_code == 400
    files["mask"] = files["image"]
    assert posted(ideogram, "inpaint", files=files, prompt="a hat").status_code == 200
