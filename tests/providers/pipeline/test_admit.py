"""Who is named in a refusal: models that would do this very request, and none that its vendor's file refuses."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.pipeline.pipeline import Pipeline
from tests.conftest import TODAY, png
from tests.vendors import SIX, only

PHOTO = normalise_source(png(256, 256))


def refusal(request: ImageRequest) -> ImageError:
    with pytest.raises(ImageError) as caught:
        Pipeline(Catalog(lambda name: None, lambda: TODAY, only(*SIX))).admit(request)
    return caught.value


def test_a_model_that_needs_a_prompt_is_not_named_for_an_upscale_without_one() -> None:
    bare = ImageRequest(operation=Operation.UPSCALE, model="openai", sources=(PHOTO,))
    assert refusal(bare).facts["models"] == ["stable-image-upscale-fast"]
    described = ImageRequest(operation=Operation.UPSCALE, model="openai", prompt="a fox", sources=(PHOTO,))
    assert refusal(described).facts["models"] == ["stable-image-upscale-conservative", "stable-image-upscale-creative"]


def test_one_that_needs_a_mask_is_not_named_for_an_erasure_without_one() -> None:
    blind = ImageRequest(operation=Operation.ERASE, model="openai", sources=(PHOTO,))
    seeing = ImageRequest(
        operation=Operation.ERASE, model="openai", sources=(PHOTO,), mask=normalise_mask(png(256, 256, "white", "L"))
    )
    assert refusal(seeing).facts["models"] == ["flux-tools/erase-v1", "stable-image-erase"]
    assert "without" not in refusal(blind).message
    assert refusal(blind).reason is Reason.UNSUPPORTED_OPERATION


def test_one_that_keeps_the_sources_shape_is_not_named_for_another() -> None:
    request = ImageRequest(
        operation=Operation.EDIT, prompt="a hat", model="openai", sources=(PHOTO,), aspect_ratio="4:5", strength=0.5
    )
    named = refusal(request).facts["models"]
    assert "stable-image-ultra" in named
    assert not [id for id in named if id.startswith("sd3")]


def test_a_source_that_a_model_does_not_take_keeps_it_from_being_named() -> None:
    wide = normalise_source(png(600, 100))
    request = ImageRequest(operation=Operation.EDIT, prompt="x", model="openai", sources=(wide,), strength=0.5)
    assert "stable-image-control-style" not in refusal(request).facts["models"]
    assert "stable-image-ultra" in refusal(request).facts["models"]


def test_large_pictures_do_not_make_a_refusal_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    large = normalise_source(png(3000, 3000))
    request = ImageRequest(
        operation=Operation.INPAINT,
        prompt="a hat",
        model="gemini",
        sources=(large,),
        mask=normalise_mask(png(3000, 3000, "white", "L")),
    )
    opened, own = list[tuple[int, int]](), Image.open

    def noted(file: Any) -> Image.Image:
        image = own(file)
        opened.append(image.size)
        return image

    monkeypatch.setattr(Image, "open", noted)
    assert "gpt-image-2.5-flare" in refusal(request).facts["models"]
    assert set(opened) == {(1, 1)}, "nothing large is decoded"
