"""The emulator is proven by the vendor's own client: it gets images from it, and its typed exceptions."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import pytest
import together as sdk
from PIL import Image

from atelier.providers.testing.emulators.together import MODERATED, Together
from atelier.providers.testing.fixtures import served
from atelier.providers.transport.wire import httpx
from tests.conftest import png


@pytest.fixture
def together() -> Iterator[Together]:
    yield from served(Together())


def client(together: Together, key: str = "") -> sdk.Together:
    return sdk.Together(
        api_key=key or together.key, base_url=together.url.removesuffix("/v1"), max_retries=0, timeout=10
    )


def test_the_client_generates_by_base64_and_by_link_and_edits(together: Together) -> None:
    source = f"data:image/png;base64,{base64.b64encode(png(64, 64)).decode()}"
    with client(together) as vendor:
        inline = vendor.images.generate(
            model="black-forest-labs/FLUX.1-schnell",
            prompt="a fox",
            width=512,
            height=768,
            steps=4,
            n=2,
            response_format="base64",
        )
        linked = vendor.images.generate(
            model="black-forest-labs/FLUX.2-dev", prompt="a hat", reference_images=[source], output_format="png"
        )
    assert len(inline.data) == 2
    fetched = httpx.get(str(getattr(linked.data[0], "url"))).content  # noqa: B009 - one of two types of item
    for data, size in ((base64.b64decode(getattr(inline.data[0], "b64_json")), (512, 768)), (fetched, (1024, 1024))):  # noqa: B009
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == size


def test_failures_are_the_clients_exceptions(together: Together) -> None:
    with client(together, "wrong") as vendor, pytest.raises(sdk.AuthenticationError):
        vendor.images.generate(model="black-forest-labs/FLUX.1-schnell", prompt="a fox")
    with client(together) as vendor:
        with pytest.raises(sdk.NotFoundError):
            vendor.images.generate(model="no/such", prompt="a fox")
        with pytest.raises(sdk.BadRequestError, match="does not take image_url"):
            vendor.images.generate(
                model="black-forest-labs/FLUX.1-schnell", prompt="a fox", image_url="https://x/y.png"
            )
        together.next(MODERATED)
        with pytest.raises(sdk.UnprocessableEntityError):
            vendor.images.generate(model="black-forest-labs/FLUX.1-schnell", prompt="a fox")
