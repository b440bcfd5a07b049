"""Tests of the gates for sources and seeds: values that the vendor would refuse or ignore are refused first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates import preflight, source_gates
from atelier.providers.core.types import Feature, ImageRequest, Model, Operation, Picture
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.vendors.registry import all_providers
from tests.conftest import TODAY, png

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
ROWS = {row.id: row for provider in all_providers() for row in provider.models}
Op = Operation


def picture(width: int, height: int, weight: int = 100, format: str = "png") -> Picture:
    """A picture without valid pixels, which gates do not read."""
    return Picture(bytes(weight), format, width, height)


def prepared(model: str, operation: Operation = Op.EDIT, *sources: Picture, **more: Any) -> object:
    """Prepare the request, which runs the gates first."""
    fields: dict[str, Any] = {"prompt": "a fox" if ROWS[model].max_prompt else "", **more}
    request = ImageRequest(model=model, operation=operation, sources=sources, **fields)
    return Pipeline(Catalog(lambda name: None, lambda: TODAY)).prepare(request)


def refusal(model: str, operation: Operation, *sources: Picture, **more: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        prepared(model, operation, *sources, **more)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.max_sources], ids=lambda row: row.id)
def test_only_the_sketch_accepts_a_gif(row: Model) -> None:
    request = ImageRequest(operation=Op.EDIT, prompt="a hat", sources=(normalise_source(GIF),))
    if row.id == "sketch":
        source_gates.source_formats_fit(request, row)
        return
    with pytest.raises(ImageError, match=f"The source image is a GIF, which {row.id} does not take."):
        source_gates.source_formats_fit(request, row)


def test_an_error_names_the_source_that_is_wrong() -> None:
    error = refusal("gpt-image-2", Op.EDIT, picture(64, 64), normalise_source(GIF))
    assert error.message == "Source image 2 is a GIF, which gpt-image-2 does not take."
    assert "PNG, JPEG, WEBP" in error.hint


@pytest.mark.parametrize(
    ("model", "operation", "limit"),
    [
        ("gpt-image-2", Op.EDIT, 50_000_000),
        ("grok-imagine-image-2.0", Op.EDIT, 10 * 2**20),
        ("flux-2-pro", Op.EDIT, 15_000_000),
        ("stable-image-ultra", Op.EDIT, 10 * 2**20 - 2**17),
    ],
)
def test_a_source_with_too_many_bytes_is_refused_with_the_limit(model: str, operation: Operation, limit: int) -> None:
    assert prepared(model, operation, picture(256, 256, limit))
    error = refusal(model, operation, picture(256, 256, limit + 1))
    assert "MB; " in error.message
    assert f"at most {limit / 1e6:.4g} MB" in error.message


def test_several_sources_count_together_where_the_vendor_counts_the_request() -> None:
    half = picture(256, 256, 6_000_000)
    relight = "stable-image-replace-background-and-relight"
    assert "Together" in refusal(relight, Op.REPLACE_BACKGROUND, half, half).message
    assert prepared("flux-2-pro", Op.EDIT, half, half, half)
    heavy = replace(normalise_mask(png(256, 256, "white", "L")), image_bytes=bytes(6_000_000))
    assert "Together" in refusal("stable-image-inpaint", Op.INPAINT, half, mask=heavy).message


BEYOND: list[tuple[str, Operation, tuple[int, int], tuple[int, int], str]] = [
    ("stable-image-ultra", Op.EDIT, (64, 64), (63, 64), "at least 64 pixels on every side"),
    ("stable-image-search-and-replace", Op.SEARCH_REPLACE, (3072, 3072), (3072, 3073), "at most 9,437,184 pixels"),
    ("stable-image-outpaint", Op.OUTPAINT, (250, 100), (251, 100), "no shape longer than 2.5:1"),
    ("stable-image-outpaint", Op.OUTPAINT, (100, 250), (100, 251), "no shape longer than 2.5:1"),
    ("stable-image-upscale-conservative", Op.UPSCALE, (250, 100), (251, 100), "no shape longer than 2.5:1"),
    ("stable-image-replace-background-and-relight", Op.REPLACE_BACKGROUND, (250, 100), (251, 100), "2.5:1"),
    ("stable-image-upscale-fast", Op.UPSCALE, (1536, 32), (1537, 32), "at most 1,536 pixels on every side"),
    ("stable-image-upscale-fast", Op.UPSCALE, (32, 32), (31, 32), "at least 32 pixels on every side"),
    ("stable-image-upscale-fast", Op.UPSCALE, (1024, 1024), (1024, 1025), "at most 1,048,576 pixels in all"),
    ("stable-image-upscale-creative", Op.UPSCALE, (1024, 1024), (1024, 1025), "at most 1,048,576 pixels in all"),
    ("stable-image-remove-background", Op.REMOVE_BACKGROUND, (2048, 2048), (2048, 2049), "at most 4,194,304 pixels"),
    ("flux-3-image", Op.EDIT, (256, 256), (255, 256), "at least 256 pixels on every side"),
    ("flux-3-image", Op.EDIT, (4000, 4000), (4000, 4001), "at most 16,000,000 pixels in all"),
]


@pytest.mark.parametrize(("model", "operation", "fits", "does_not", "says"), BEYOND)
def test_a_source_of_the_wrong_size_is_refused_with_the_right_one(
    model: str, operation: Operation, fits: tuple[int, int], does_not: tuple[int, int], says: str
) -> None:
    own = {Op.OUTPAINT: {"left": 16}, Op.SEARCH_REPLACE: {"search": "the hat"}}.get(operation, {})
    assert prepared(model, operation, picture(*fits), options=own)
    error = refusal(model, operation, picture(*does_not), options=own)
    assert says in error.message
    assert f"{does_not[0]}x{does_not[1]}" in error.message


@pytest.mark.parametrize(
    ("model", "limit"),
    [("stable-image-core", 4_294_967_294), ("gemini-nano-banana-2.1", 2_147_483_647), ("flux-2-pro", 2**32 - 1)],
)
def test_the_seed_of_the_last_call_is_checked_too(model: str, limit: int) -> None:
    assert prepared(model, Op.GENERATE, seed=limit)
    assert prepared(model, Op.GENERATE, seed=limit - 2, count=3)
    assert f"takes 0 to {limit}" in refusal(model, Op.GENERATE, seed=limit + 1).message
    error = refusal(model, Op.GENERATE, seed=limit - 1, count=3)
    assert f"the last of 3 images has {limit + 1}" in error.message
    assert "smaller" in error.hint
    assert "takes 0 to" in refusal(model, Op.GENERATE, seed=-1).message


def test_pictures_of_one_call_share_a_seed() -> None:
    row = replace(ROWS["imagen-4.0-generate-001"], max_seed=10)
    preflight.seed_is_in_range(ImageRequest(prompt="a fox", seed=10, count=4), row)
    with pytest.raises(ImageError, match="has 12"):
        preflight.seed_is_in_range(ImageRequest(prompt="a fox", seed=8, count=5), row)


def test_every_row_with_seeds_has_a_largest_one() -> None:
    assert all(0 < row.max_seed < 2**64 for row in ROWS.values() if Feature.SEED in row.features)
