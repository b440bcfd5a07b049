"""The built-in sketch: offline, free, repeatable, labelled, in every size and format, and able to edit."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from atelier.providers import generate
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.vendors.sketch import PROVIDER
from atelier.providers.vendors.sketch.lettering import letter
from atelier.providers.vendors.sketch.scenes import SCENES, paint, palette_of
from tests.conftest import png
from tests.exhaustive import examples
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def sketch(**request: Any) -> ImageResult:
    async with open_pipeline(PROVIDER, {}) as pipeline:
        fields: dict[str, Any] = {"prompt": "a lighthouse at dusk", "size": "320x240", **request}
        return await pipeline.run(ImageRequest(**fields))


def opened(result: ImageResult, index: int = 0) -> Image.Image:
    return Image.open(io.BytesIO(result.images[index].image_bytes))


async def test_it_is_free_and_the_same_for_the_same_prompt_size_and_seed() -> None:
    one, again = await sketch(seed=7), await sketch(seed=7)
    assert one.actual_usd == Decimal(0)
    assert one.images[0].image_bytes == again.images[0].image_bytes


@pytest.mark.parametrize("other", [{"seed": 8}, {"prompt": "a neon city"}, {"size": "320x241"}])
async def test_another_prompt_size_or_seed_gives_another_picture(other: dict[str, Any]) -> None:
    assert (await sketch(seed=7)).images[0].image_bytes != (await sketch(**{"seed": 7, **other})).images[0].image_bytes


async def test_several_pictures_differ_and_tell_their_seeds() -> None:
    result = await sketch(count=3, seed=5)
    assert [kept.picture.seed for kept in result.images] == [5, 6, 7]
    assert len({kept.image_bytes for kept in result.images}) == 3
    assert result.images[2].image_bytes == (await sketch(seed=7)).images[0].image_bytes


@pytest.mark.parametrize("size", ["64x64", "4096x64", "64x4096", "1001x337", "4096x4096"])
async def test_any_size_up_to_4096(size: str) -> None:
    result = await sketch(size=size)
    assert f"{result.images[0].picture.width}x{result.images[0].picture.height}" == size
    opened(result).load()


async def test_the_default_picture_is_small_enough_to_be_handed_over() -> None:
    result = await generate("a busy neon city in the rain", model="sketch")
    assert (result.images[0].picture.width, result.images[0].picture.height) == (1024, 1024)
    assert len(result.images[0].image_bytes) < 100 * 1024


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
async def test_the_format_is_the_one_asked_for(format: str) -> None:
    result = await sketch(output_format=format)
    assert result.images[0].format == format
    assert (opened(result).format or "").lower() == format


async def test_a_lower_quality_is_a_smaller_file() -> None:
    sizes = [
        len((await sketch(output_format="jpeg", compression=quality)).images[0].image_bytes) for quality in (10, 90)
    ]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("format", ["png", "webp"])
async def test_a_transparent_background_is_transparent(format: str) -> None:
    picture = opened(await sketch(background="transparent", output_format=format)).convert("RGBA")
    assert picture.getchannel("A").getextrema() == (0, 255)


async def test_the_prompt_and_the_word_sketch_are_lettered_on_it() -> None:
    near = palette_of("a fox")[4]
    bare = Image.new("RGBA", (400, 300), "white")
    for prompt in ("a fox", ""):
        band = ImageChops.difference(letter(bare, prompt, near, (255, 255, 255)), bare).convert("L").getbbox()
        assert band is not None
        assert band[0] == 0
        assert band[2:] == (400, 300)
    said, silent = (letter(bare, prompt, near, (255, 255, 255)) for prompt in ("a fox", "an owl"))
    assert ImageChops.difference(said, silent).convert("L").getbbox() is not None


@pytest.mark.parametrize("words", [words.split()[0] for _, words in SCENES])
def test_palette_and_shapes_follow_from_the_prompt(words: str) -> None:
    assert paint(words, 128, 128, 0).tobytes() != paint("portrait", 128, 128, 0).tobytes()


@given(prompt=st.text(min_size=1, max_size=120), width=st.integers(64, 400), height=st.integers(64, 400))
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_prompt_breaks_the_drawing(prompt: str, width: int, height: int) -> None:
    *_, light, _, near = palette_of(prompt)
    assert letter(paint(prompt, width, height, 0), prompt, near, light).size == (width, height)


async def test_an_edit_without_a_mask_changes_the_whole_picture() -> None:
    before = normalise_source(png(200, 120, "gold"))
    result = await sketch(operation=Operation.EDIT, sources=(before,), size=None)
    after = opened(result).convert("RGB")
    assert after.size == (200, 120)
    assert ImageChops.difference(after, Image.new("RGB", (200, 120), "gold")).getbbox() == (0, 0, 200, 120)


async def test_an_edit_with_a_mask_changes_what_is_white_and_nothing_else() -> None:
    before = normalise_source(png(200, 120, "gold"))
    white_right = Image.new("L", (200, 120), 0)
    white_right.paste(255, (100, 0, 200, 120))
    out = io.BytesIO()
    white_right.save(out, "PNG")
    result = await sketch(
        operation=Operation.INPAINT, sources=(before,), mask=normalise_mask(out.getvalue()), size=None
    )
    after = opened(result).convert("RGB")
    assert ImageChops.difference(after, Image.new("RGB", (200, 120), "gold")).getbbox() == (100, 0, 200, 120)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"operation": Operation.EDIT}, Reason.INVALID_REQUEST),
        ({"operation": Operation.UPSCALE, "sources": (normalise_source(png(64, 64)),)}, Reason.UNSUPPORTED_OPERATION),
        (
            {"operation": Operation.EDIT, "sources": (normalise_source(png(64, 64)),) * 2, "size": None},
            Reason.UNSUPPORTED_OPTION,
        ),
        (
            {
                "operation": Operation.INPAINT,
                "sources": (normalise_source(png(64, 64)),),
                "mask": normalise_source(png(65, 64)),
                "size": None,
            },
            Reason.INVALID_REQUEST,
        ),
        ({"options": {"search": "the dog"}}, Reason.UNSUPPORTED_OPTION),
        ({"strength": 0.5}, Reason.UNSUPPORTED_OPTION),
        ({"resolution": "8k", "size": None}, Reason.UNSUPPORTED_OPTION),
        ({"size": "32x32"}, Reason.UNSUPPORTED_OPTION),
    ],
)
async def test_what_it_cannot_do_is_refused(request_: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ImageError) as caught:
        await sketch(**request_)
    assert caught.value.reason is reason
    assert caught.value.hint


async def test_what_is_prepared_is_whole_and_only_what_was_asked() -> None:
    prepared = open_pipeline(PROVIDER, {}).prepare(ImageRequest(prompt="a fox"))
    assert prepared.content == b'{"prompt":"a fox"}'
