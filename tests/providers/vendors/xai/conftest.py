"""What the tests of xAI share: source pictures, and ways to ask for an edit and to be refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import ImageRequest, Operation, Picture
from atelier.providers.images import sources
from atelier.providers.vendors.xai import PROVIDER
from tests.conftest import Environ, png
from tests.vendors import open_pipeline


def source(colour: str = "navy", width: int = 64, height: int = 48) -> Picture:
    return sources.normalise_source(png(width, height, colour))


def edit(*pictures: Picture, **fields: Any) -> ImageRequest:
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model="xai", sources=pictures)
    return replace(request, **fields)


async def refused(request: ImageRequest, environ: Environ, **options: Any) -> ImageError:
    async with open_pipeline(PROVIDER, environ, **options) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(request)
    return caught.value
