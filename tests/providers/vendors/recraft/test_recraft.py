"""What is special to Recraft: which endpoint and fields an operation has, and the cost that the answer states."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.testing.emulators import recraft as emulated
from atelier.providers.testing.emulators.recraft import Recraft
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.recraft import PROVIDER
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio
SOURCE, MASK = normalise_source(png(256, 256)), normalise_mask(png(256, 256, "white", "L"))


@pytest.fixture
def recraft() -> Iterator[Recraft]:
    yield from served(Recraft())


@pytest.fixture
def with_recraft(environ: Environ, recraft: Recraft) -> Environ:
    return environ | {"RECRAFT_API_TOKEN": recraft.key, "RECRAFT_BASE_URL": recraft.url}


EDIT, ERASE, BACKGROUND = Operation.EDIT, Operation.ERASE, Operation.REPLACE_BACKGROUND


@pytest.mark.parametrize(
    ("model", "operation", "asked", "endpoint"),
    [
        ("recraftv3", Operation.GENERATE, {"prompt": "a fox"}, "generations"),
        ("recraftv3", EDIT, {"prompt": "a fox", "sources": (SOURCE,)}, "imageToImage"),
        ("recraftv3", EDIT, {"prompt": "a hat", "sources": (SOURCE,), "mask": MASK}, "inpaint"),
        ("recraftv3", BACKGROUND, {"prompt": "sea", "sources": (SOURCE,)}, "replaceBackground"),
        ("recraft-crisp-upscale", Operation.UPSCALE, {"sources": (SOURCE,)}, "crispUpscale"),
        ("recraft-erase-region", ERASE, {"sources": (SOURCE,), "mask": MASK}, "eraseRegion"),
    ],
)
async def test_an_operation_has_its_endpoint(
    with_recraft: Environ, recraft: Recraft, model: str, operation: Operation, asked: dict[str, Any], endpoint: str
) -> None:
    async with open_pipeline(PROVIDER, with_recraft) as pipeline:
        result = await pipeline.run(ImageRequest(model=model, operation=operation, **asked))
    assert recraft.requests[0].path == f"/v1/images/{endpoint}"
    assert result.actual_usd == recraft.billed[0].usd  # as the answer states it, in API units


async def test_a_size_or_a_ratio_is_sent_as_size_and_several_images_are_one_call(
    with_recraft: Environ, recraft: Recraft
) -> None:
    async with open_pipeline(PROVIDER, with_recraft) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="recraftv4", size="1536x768"))
        result = await pipeline.run(ImageRequest(prompt="a fox", model="recraftv4", aspect_ratio="14:10", count=6))
    assert [request.json["size"] for request in recraft.requests] == ["1536x768", "14:10"]
    assert (len(result.images), result.actual_usd) == (6, Decimal("0.24"))


async def test_styles_are_of_the_older_models_and_svg_of_none(with_recraft: Environ, recraft: Recraft) -> None:
    pipeline = open_pipeline(PROVIDER, with_recraft)
    for model, style in (("recraftv4_1", "realistic_image"), ("recraftv3", "vector_illustration")):
        with pytest.raises(ImageError) as caught:
            pipeline.prepare(ImageRequest(prompt="a fox", model=model, style=style))
        assert caught.value.facts["option"] == "style"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (emulated.MODERATED, Reason.CONTENT_POLICY),
        (emulated.trouble(400, "not_enough_credits", "Not enough credits."), Reason.QUOTA_EXCEEDED),
        (emulated.trouble(400, "bad", "size: invalid"), Reason.INVALID_REQUEST),
    ],
)
async def test_the_words_of_a_refusal_tell_its_reason(
    with_recraft: Environ, recraft: Recraft, fault: Answer, reason: Reason
) -> None:
    recraft.next(fault)
    async with open_pipeline(PROVIDER, with_recraft) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="recraft"))
    assert caught.value.reason is reason
    assert caught.value.facts["request_id"] == "rc_trouble"
