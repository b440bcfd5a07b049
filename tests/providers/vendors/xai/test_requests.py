"""What xAI is sent: only what was asked, source pictures where they are looked at, and no key in a body."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images import sources
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.vendors.xai import PROVIDER
from tests.conftest import Environ, png
from tests.providers.vendors.xai.conftest import edit, source
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def test_only_what_was_asked_is_on_the_wire(with_xai: Environ, xai: XAI) -> None:
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="grok"))
    fired = xai.requests[-1]
    assert fired.path == "/v1/images/generations"
    assert fired.json == {"model": "grok-imagine-image-2.0", "prompt": "a fox", "response_format": "b64_json"}
    assert fired.headers["authorization"] == f"Bearer {xai.key}"
    assert fired.headers["content-type"] == "application/json"


async def test_every_option_reaches_the_vendor_in_its_own_words(with_xai: Environ, xai: XAI) -> None:
    request = ImageRequest(
        prompt="a fox",
        model="grok-imagine-image-2.0",
        count=2,
        aspect_ratio="21:9",
        resolution="2k",
        quality="medium",
        options={"user": "someone"},
    )
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(request)
    assert xai.requests[-1].json == {
        "model": "grok-imagine-image-2.0",
        "prompt": "a fox",
        "n": 2,
        "aspect_ratio": "21:9",
        "resolution": "2k",
        "quality": "medium",
        "response_format": "b64_json",
        "user": "someone",
    }
    assert [(i.format, i.picture.width, i.picture.height) for i in result.images] == [("jpeg", 3136, 1344)] * 2
    assert xai.dropped == []


async def test_one_source_picture_is_an_object_at_the_edits_path(with_xai: Environ, xai: XAI) -> None:
    picture = source("red")
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        await pipeline.run(edit(picture, quality="low", aspect_ratio="5:2"))
    fired = xai.requests[-1]
    assert fired.path == "/v1/images/edits"
    assert fired.json == {
        "model": "grok-imagine-image-2.0",
        "prompt": "a hat",
        "image": {
            "url": "data:image/png;base64," + base64.b64encode(picture.image_bytes).decode(),
            "type": "image_url",
        },
        "aspect_ratio": "5:2",
        "quality": "low",
        "response_format": "b64_json",
    }


async def test_several_source_pictures_are_a_list_in_order(with_xai: Environ, xai: XAI) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
    five = [sources.normalise_source(png(8, 8, colour)) for colour in colours]
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        await pipeline.run(edit(*five))
    assert xai.requests[-1].path == "/v1/images/edits"
    assert "image" not in xai.requests[-1].json
    assert [image.convert("RGB").getpixel((4, 4)) for image in xai.sources] == colours


async def test_a_source_picture_never_goes_where_it_would_be_dropped(with_xai: Environ, xai: XAI) -> None:
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        await pipeline.run(edit(source(), operation=Operation.GENERATE))
    assert xai.requests[-1].path == "/v1/images/edits"
    assert xai.dropped == []


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
async def test_the_stated_type_of_a_source_is_that_of_its_bytes(with_xai: Environ, xai: XAI, format: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "navy").save(out, format)
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        await pipeline.run(edit(sources.normalise_source(out.getvalue())))
    assert xai.requests[-1].json["image"]["url"].startswith(f"data:image/{format.lower()};base64,")


@pytest.mark.parametrize(
    "request_", [ImageRequest(prompt="a fox", model="xai", count=3, resolution="2k"), edit(source())]
)
async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(
    with_xai: Environ, xai: XAI, request_: ImageRequest
) -> None:
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        prepared = pipeline.prepare(request_)
        await pipeline.run(request_)
    fired = xai.requests[-1]
    assert (prepared.url.path, prepared.content) == (fired.path, fired.body)
    assert xai.key not in repr(prepared.headers) + prepared.content.decode()
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value


async def test_preparing_needs_no_key_and_names_the_vendors_own_host() -> None:
    pipeline = open_pipeline(PROVIDER, {})
    assert str(pipeline.prepare(edit(source())).url) == "https://api.x.ai/v1/images/edits"
    made = pipeline.prepare(ImageRequest(prompt="a fox", model="xai"))
    assert str(made.url) == "https://api.x.ai/v1/images/generations"
