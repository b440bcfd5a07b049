"""The emulator is proven by OpenAI's client, which the vendor's docs use as well.

The vendor's own client (3.1.1) needs an older cyclopts than the command line, so it cannot be installed beside it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import openai as sdk
import pytest
from PIL import Image

from atelier.providers.testing.emulators.together import MODERATED, Together
from atelier.providers.testing.fixtures import served
from atelier.providers.transport.wire import httpx
from tests.conftest import png

SCHNELL = "black-forest-labs/FLUX.1-schnell"


@pytest.fixture
def together() -> Iterator[Together]:
    yield from served(Together())


def client(together: Together, key: str = "") -> sdk.OpenAI:
    return sdk.OpenAI(api_key=key or together.key, base_url=together.url, max_retries=0, timeout=10)


def test_the_client_generates_by_base64_and_by_link_and_edits(together: Together) -> None:
    source = f"data:image/png;base64,{base64.b64encode(png(64, 64)).decode()}"
    fields: dict[str, Any] = {"width": 512, "height": 768, "steps": 4, "response_format": "base64"}
    with client(together) as vendor:
        inline = vendor.images.generate(model=SCHNELL, prompt="a fox", n=2, extra_body=fields)
        linked = vendor.images.generate(
            model="black-forest-labs/FLUX.2-dev", prompt="a hat", extra_body={"reference_images": [source]}
        )
    assert inline.data
    assert linked.data
    assert len(inline.data) == 2
    fetched = httpx.get(str(linked.data[0].url)).content
    for data, size in ((base64.b64decode(inline.data[0].b64_json or ""), (512, 768)), (fetched, (1024, 1024))):
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size) == ("JPEG", size)


def test_failures_are_the_clients_exceptions(together: Together) -> None:
    with client(together, "wrong") as vendor, pytest.raises(sdk.AuthenticationError):
        vendor.images.generate(model=SCHNELL, prompt="a fox")
    with client(together) as vendor:
        with pytest.raises(sdk.NotFoundError):
            vendor.images.generate(model="no/such", prompt="a fox")
        with pytest.raises(sdk.BadRequestError, match="does not take image_url"):
            vendor.images.generate(model=SCHNELL, prompt="a fox", extra_body={"image_url": "https://x.example/y.png"})
        with pytest.raises(sdk.BadRequestError, match="Unrecognized parameter: size"):
            vendor.images.generate(model=SCHNELL, prompt="a fox", size="1024x1024")
        together.next(MODERATED)
        with pytest.raises(sdk.UnprocessableEntityError):
            vendor.images.generate(model=SCHNELL, prompt="a fox")
