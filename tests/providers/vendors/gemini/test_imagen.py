"""Imagen, the older of Google's two APIs: its body, its masks, and what it withholds."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images import masks
from atelier.providers.testing.emulators import gemini_rules as emulated
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.gemini import PROVIDER
from tests.conftest import Environ, png
from tests.providers.vendors.gemini.conftest import carried, drawing, imagen
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


def masked(operation: Operation, mask: bytes | None, **asked: Any) -> ImageRequest:
    drawn = masks.normalise_mask(mask) if mask else None
    picture = (drawing(64, 48),)
    return imagen(model="imagen-3.0-capability-001", operation=operation, sources=picture, mask=drawn, **asked)


async def test_imagen_is_asked_for_one_picture_and_no_more(with_gemini: Environ, gemini: Gemini) -> None:
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(imagen())
    assert gemini.requests[-1].path == "/v1beta/models/imagen-4.0-generate-001:predict"
    assert gemini.requests[-1].json == {
        "instances": [{"prompt": "a fox in the snow"}],
        "parameters": {"sampleCount": 1, "includeRaiReason": True},
    }
    assert (len(result.images), result.usage) == (1, None)


async def test_imagen_has_more_options(with_gemini: Environ, gemini: Gemini) -> None:
    request = imagen(
        count=3,
        aspect_ratio="16:9",
        resolution="2k",
        negative_prompt="dogs",
        seed=7,
        output_format="jpeg",
        compression=80,
    )
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(request)
    assert gemini.requests[-1].json["parameters"] == {
        "sampleCount": 3,
        "negativePrompt": "dogs",
        "aspectRatio": "16:9",
        "sampleImageSize": "2K",
        "seed": 7,
        "addWatermark": False,
        "outputOptions": {"mimeType": "image/jpeg", "compressionQuality": 80},
        "includeRaiReason": True,
    }
    assert [(i.format, i.picture.width, i.picture.height) for i in result.images] == [("jpeg", 2816, 1536)] * 3
    assert "watermark is off" in result.warnings[-1]


async def test_the_prompt_as_imagen_enhanced_it_comes_back(with_gemini: Environ, gemini: Gemini) -> None:
    request = imagen(model="imagen-9", options={"enhancePrompt": True})
    told = {"bytesBase64Encoded": emulated.drawn((8, 8)), "prompt": "a fox in deep snow"}
    gemini.next(Answer(200, {"predictions": [told]}))
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(request)
    assert gemini.requests[-1].json["parameters"]["enhancePrompt"] is True
    assert result.images[0].prompt_used == "a fox in deep snow"


async def test_pictures_that_imagen_withholds_are_told(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.filtered = 1
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(imagen(count=3))
    assert len(result.images) == 2
    assert "2 of 3 images: “58061214: the picture may violate our policies.”" in result.warnings[-1]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (emulated.withheld("58061214: a child.", "39322892: a person."), Reason.CONTENT_POLICY),
        (emulated.withheld(), Reason.INVALID_RESPONSE),
        (Answer(200, {}), Reason.INVALID_RESPONSE),
    ],
)
async def test_an_answer_of_imagen_without_a_picture(
    with_gemini: Environ, gemini: Gemini, fault: Answer, reason: Reason
) -> None:
    gemini.next(fault)
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(imagen())
    assert caught.value.reason is reason
    assert ("39322892: a person." in caught.value.message) == (reason is Reason.CONTENT_POLICY)


def left_and_right(left: Any, right: Any, mode: str = "L") -> bytes:
    """A mask of two halves."""
    image = Image.new(mode, (64, 48), left)
    image.paste(right, (32, 0, 64, 48))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "mask",
    [
        left_and_right(0, 255),
        left_and_right((255, 0, 0, 255), (255, 0, 0, 0), "RGBA"),
        left_and_right(100, 160),
    ],
    ids=["white changes", "transparent changes", "soft"],
)
@pytest.mark.parametrize(
    ("operation", "mode"),
    [
        (Operation.INPAINT, "EDIT_MODE_INPAINT_INSERTION"),
        (Operation.ERASE, "EDIT_MODE_INPAINT_REMOVAL"),
        (Operation.REPLACE_BACKGROUND, "EDIT_MODE_BGSWAP"),
    ],
)
async def test_the_mask_that_arrives_is_not_zero_where_the_picture_changes(
    with_gemini: Environ, gemini: Gemini, mask: bytes, operation: Operation, mode: str
) -> None:
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(masked(operation, mask))
    body = gemini.requests[-1].json
    raw, drawn = body["instances"][0]["referenceImages"]
    assert body["parameters"]["editMode"] == mode
    assert (raw["referenceType"], raw["referenceId"]) == ("REFERENCE_TYPE_RAW", 1)
    assert carried(raw["referenceImage"]) == drawing(64, 48).image_bytes
    assert (drawn["referenceType"], drawn["referenceId"]) == ("REFERENCE_TYPE_MASK", 2)
    assert drawn["maskImageConfig"] == {"maskMode": "MASK_MODE_USER_PROVIDED"}
    with Image.open(io.BytesIO(carried(drawn["referenceImage"]))) as arrived:
        assert (arrived.format, arrived.size) == ("PNG", (64, 48))
        assert arrived.getcolors() == [(32 * 48, 0), (32 * 48, 255)]
        assert (arrived.getpixel((31, 20)), arrived.getpixel((32, 20))) == (0, 255)
    assert (result.images[0].picture.width, result.images[0].picture.height) == (64, 48)


async def test_imagen_finds_the_background_by_itself(with_gemini: Environ, gemini: Gemini) -> None:
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        await pipeline.run(masked(Operation.REPLACE_BACKGROUND, None))
    _, own = gemini.requests[-1].json["instances"][0]["referenceImages"]
    assert own == {
        "referenceType": "REFERENCE_TYPE_MASK",
        "referenceId": 2,
        "maskImageConfig": {"maskMode": "MASK_MODE_BACKGROUND"},
    }


@pytest.mark.parametrize(
    ("operation", "words"), [(Operation.INPAINT, "There is no mask"), (Operation.ERASE, "cannot erase without a mask")]
)
async def test_without_a_mask_imagen_has_nothing_to_change(
    with_gemini: Environ, gemini: Gemini, operation: Operation, words: str
) -> None:
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError, match=words) as caught:
            await pipeline.run(masked(operation, None))
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert not gemini.requests


async def test_erasing_needs_no_prompt(with_gemini: Environ, gemini: Gemini) -> None:
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        assert (await pipeline.run(masked(Operation.ERASE, png(64, 48, 255, "L"), prompt=""))).images
    assert gemini.requests[-1].json["instances"][0]["prompt"] == ""
