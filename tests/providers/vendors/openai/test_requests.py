"""What OpenAI is sent: only what was asked, pictures as files, masks transparent where they change."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.vendors.openai import PROVIDER
from tests.conftest import Environ, png
from tests.exhaustive import exhaustive, sample
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def test_only_what_was_asked_is_on_the_wire(with_openai: Environ, openai: OpenAI) -> None:
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="openai"))
    assert openai.requests[-1].json == {"model": "gpt-image-2.5-flare", "prompt": "a fox"}
    assert openai.requests[-1].headers["authorization"] == f"Bearer {openai.key}"


async def test_every_option_reaches_the_vendor_in_its_own_words(with_openai: Environ, openai: OpenAI) -> None:
    request = ImageRequest(
        prompt="a fox",
        model="gpt-image-2.6-sunburst",
        count=2,
        size="1536x864",
        quality="max",
        background="opaque",
        output_format="webp",
        compression=80,
    )
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        result = await pipeline.run(request)
    assert openai.requests[-1].json == {
        "model": "gpt-image-2.6-sunburst",
        "prompt": "a fox",
        "n": 2,
        "size": "1536x864",
        "quality": "max",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 80,
    }
    assert [(i.format, i.picture.width, i.picture.height) for i in result.images] == [("webp", 1536, 864)] * 2


async def test_a_ratio_becomes_a_size_and_the_answer_says_so(with_openai: Environ, openai: OpenAI) -> None:
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        wide = await pipeline.run(ImageRequest(prompt="a", model="openai", aspect_ratio="16:9", resolution="4k"))
        await pipeline.run(ImageRequest(prompt="a", model="chatgpt-image-latest", aspect_ratio="2:3"))
    assert [request.json["size"] for request in openai.requests] == ["3840x2160", "1024x1536"]
    assert "3840x2160" in " ".join(wide.warnings)


async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(with_openai: Environ, openai: OpenAI) -> None:
    request = ImageRequest(prompt="a fox", model="openai", size="1024x1536", quality="high")
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        prepared = pipeline.prepare(request)
        await pipeline.run(request)
    fired = openai.requests[-1]
    assert (str(prepared.url), prepared.content) == (f"{openai.url}/images/generations", fired.body)
    assert openai.key not in repr(prepared.headers) + prepared.content.decode()
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value


async def test_preparing_needs_no_key(openai: OpenAI) -> None:
    prepared = open_pipeline(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model="openai"))
    assert str(prepared.url) == "https://api.openai.com/v1/images/generations"


async def test_an_edit_sends_its_pictures_as_files(with_openai: Environ, openai: OpenAI) -> None:
    fox, owl = normalise_source(png(64, 48, "orange")), normalise_source(png(32, 32, "brown"))
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        await pipeline.run(ImageRequest(operation=Operation.EDIT, prompt="a hat", model="openai", sources=(fox,)))
        await pipeline.run(ImageRequest(operation=Operation.EDIT, prompt="a hat", model="openai", sources=(fox, owl)))
    assert [request.path for request in openai.requests] == ["/v1/images/edits"] * 2
    assert [[image.size for image in images] for images in openai.sources] == [[(64, 48)], [(64, 48), (32, 32)]]
    assert b'name="image"' in openai.requests[0].body
    assert b'name="image[]"' in openai.requests[1].body
    assert b"response_format" not in openai.requests[0].body


async def test_a_tier_alone_keeps_the_shape_of_the_source(with_openai: Environ, openai: OpenAI) -> None:
    fox = normalise_source(png(320, 256))
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model="openai", sources=(fox,), resolution="2k")
    sent = open_pipeline(PROVIDER, with_openai).prepare(request).read()
    assert b"2240x1792" in sent or b"2320x1856" in sent


async def test_a_mask_arrives_transparent_where_it_changes(with_openai: Environ, openai: OpenAI) -> None:
    white = Image.new("L", (64, 48), 0)
    white.paste(255, (32, 0, 64, 48))
    out = io.BytesIO()
    white.save(out, "PNG")
    fox = normalise_source(png(64, 48, "orange"))
    request = ImageRequest(
        operation=Operation.INPAINT, prompt="a hat", model="openai", sources=(fox,), mask=normalise_mask(out.getvalue())
    )
    async with open_pipeline(PROVIDER, with_openai) as pipeline:
        prepared = pipeline.prepare(request)
        await pipeline.run(request)
    (arrived,) = openai.masks
    assert arrived.mode == "RGBA"
    assert [arrived.getpixel((x, 20)) for x in (0, 31, 32, 63)] == [(0, 0, 0, 255)] * 2 + [(0, 0, 0, 0)] * 2
    assert prepared.read() == openai.requests[-1].body


@exhaustive
@pytest.mark.parametrize("shades", sample([2, 256], [2]))
def test_a_mask_of_four_megabytes_or_more_is_refused_before_it_is_sent(shades: int) -> None:
    steps = [255 * (value * shades // 256) // (shades - 1) for value in range(256)]
    noise = Image.effect_noise((2400, 2400), 100).point(steps)  # pyright: ignore[reportUnknownMemberType] - numpy's
    out = io.BytesIO()
    noise.save(out, "PNG")
    fox, over = normalise_source(png(2400, 2400)), normalise_mask(out.getvalue())
    request = ImageRequest(operation=Operation.INPAINT, prompt="a hat", model="openai", sources=(fox,), mask=over)
    if shades == 2:
        assert open_pipeline(PROVIDER, {}).prepare(request)
        return
    with pytest.raises(ImageError, match="OpenAI takes less than 4") as caught:
        open_pipeline(PROVIDER, {}).prepare(request)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert "hard edges" in caught.value.hint
