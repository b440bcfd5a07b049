"""The emulator is proven by the vendor's own client: it gets images, prices and typed exceptions from it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import openrouter as sdk
import pytest
from openrouter import errors
from PIL import Image

from atelier.providers.testing.emulators.openrouter import MODERATED, NO_CREDITS, OpenRouter
from atelier.providers.testing.fixtures import served
from tests.conftest import png


@pytest.fixture
def openrouter() -> Iterator[OpenRouter]:
    yield from served(OpenRouter())


def test_the_client_generates_edits_and_reads_cost_and_prices(openrouter: OpenRouter) -> None:
    source = f"data:image/png;base64,{base64.b64encode(png(64, 64)).decode()}"
    with sdk.OpenRouter(api_key=openrouter.key, server_url=openrouter.url) as client:
        made = client.images.generate(
            model="openai/gpt-image-2.5-flare", prompt="a fox", n=2, size="1536x1024", output_format="webp"
        )
        edited = client.images.generate(
            model="google/gemini-3-pro-image",
            prompt="a hat",
            resolution="2K",
            aspect_ratio="1:1",
            input_references=[{"type": "image_url", "image_url": {"url": source}}],
        )
        assert "google/gemini-3-pro-image" in [model.id for model in client.images.list_models().data]
        found = client.images.list_model_endpoints(author="bytedance-seed", slug="seedream-4.5")
    with Image.open(io.BytesIO(base64.b64decode(made.data[0].b64_json))) as image:
        assert (image.format, image.size) == ("WEBP", (1536, 1024))
    assert made.usage
    assert made.usage.cost == float(openrouter.billed[0].usd) == 0.08
    assert edited.data
    assert [line.unit for line in found.endpoints[0].pricing] == ["image", "image"]


def test_failures_are_the_clients_exceptions(openrouter: OpenRouter) -> None:
    with (
        sdk.OpenRouter(api_key="wrong", server_url=openrouter.url) as client,
        pytest.raises(errors.UnauthorizedResponseError),
    ):
        client.images.generate(model="openai/gpt-image-2.5-flare", prompt="a fox")
    with sdk.OpenRouter(api_key=openrouter.key, server_url=openrouter.url) as client:
        with pytest.raises(errors.NotFoundResponseError):
            client.images.generate(model="no/such", prompt="a fox")
        with pytest.raises(errors.BadRequestResponseError, match="seed is not supported"):
            client.images.generate(model="microsoft/mai-image-2.6", prompt="a fox", seed=7)
        openrouter.next(MODERATED, NO_CREDITS)
        with pytest.raises(errors.OpenRouterError, match="flagged"):
            client.images.generate(model="microsoft/mai-image-2.6", prompt="a fox")
        with pytest.raises(errors.PaymentRequiredResponseError):
            client.images.generate(model="microsoft/mai-image-2.6", prompt="a fox")
