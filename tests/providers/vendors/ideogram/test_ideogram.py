"""What is special to Ideogram: the mask and the weight count the other way, and an unsafe image comes as a 200."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from PIL import Image

from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.testing.conformance.helpers import fields
from atelier.providers.testing.emulators.ideogram import Ideogram
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.ideogram import PROVIDER
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio
SOURCE = normalise_source(png(64, 64))


@pytest.fixture
def ideogram() -> Iterator[Ideogram]:
    yield from served(Ideogram())


@pytest.fixture
def with_ideogram(environ: Environ, ideogram: Ideogram) -> Environ:
    return environ | {"IDEOGRAM_API_KEY": ideogram.key, "IDEOGRAM_BASE_URL": ideogram.url}


async def test_the_part_that_changes_is_black_in_the_vendors_mask(with_ideogram: Environ, ideogram: Ideogram) -> None:
    quarter = Image.new("L", (64, 64), 0)
    quarter.paste(255, (0, 0, 32, 32))
    out = io.BytesIO()
    quarter.save(out, "PNG")
    request = ImageRequest(operation=Operation.INPAINT, prompt="a hat", model="ideogram", sources=(SOURCE,))
    request = replace(request, mask=normalise_mask(out.getvalue()))
    async with open_pipeline(PROVIDER, with_ideogram) as pipeline:
        await pipeline.run(request)
    assert ideogram.requests[0].path == "/v1/ideogram-v3/inpaint"
    assert ideogram.changed == 0.25


@pytest.mark.parametrize(("strength", "weight"), [(0.0, "100"), (0.3, "70"), (1.0, "1")])
def test_a_higher_strength_is_a_lower_weight(strength: float, weight: str) -> None:
    request = ImageRequest(
        operation=Operation.EDIT, prompt="a fox", model="ideogram", sources=(SOURCE,), strength=strength
    )
    sent = open_pipeline(PROVIDER, {}).prepare(request)
    assert fields(sent.headers["content-type"], sent.read())["image_weight"] == weight


async def test_the_newest_model_has_a_field_of_its_own_for_the_prompt(
    with_ideogram: Environ, ideogram: Ideogram
) -> None:
    async with open_pipeline(PROVIDER, with_ideogram) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="ideogram-v4", quality="quality"))
    assert ideogram.requests[0].path == "/v1/ideogram-v4/generate"
    assert result.actual_usd == ideogram.billed[0].usd == Decimal("0.1")


async def test_images_that_are_not_safe_are_left_out_with_a_warning(with_ideogram: Environ, ideogram: Ideogram) -> None:
    made = ideogram.made({"prompt": "a fox"})
    ideogram.next(Answer(200, {"data": [made, {"prompt": "a fox", "is_image_safe": False, "url": None}]}))
    async with open_pipeline(PROVIDER, with_ideogram) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="ideogram", count=2))
    assert len(result.images) == 1
    assert any("withheld 1 of 2" in warning for warning in result.warnings)
