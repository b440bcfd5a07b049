"""What the tests of Stability share: pictures, ways to ask and to be refused, and polls that hardly wait."""

from __future__ import annotations

from typing import Any

import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask as masked
from atelier.providers.images.sources import normalise_source
from atelier.providers.vendors.stability import PROVIDER
from atelier.providers.vendors.stability import adapter as vendor
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

Op = Operation

PHOTO = normalise_source(png(128, 96, "navy"))
OTHER = normalise_source(png(96, 96, "teal"))
MASK = masked(png(128, 96, "white", "L"))
SEARCHED = {"search": "the cat"}
RELIT = "stable-image-replace-background-and-relight"
WIDE: dict[str, Any] = {"aspect_ratio": "16:9"}


@pytest.fixture
def hasty(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any wait between polls either."""
    monkeypatch.setattr(vendor, "POLL_INTERVAL", 0.01)


def asked(model: str, operation: Operation = Operation.GENERATE, prompt: str = "a fox", **more: Any) -> ImageRequest:
    return ImageRequest(model=model, operation=operation, prompt=prompt, **more)


async def run(environ: Environ, request: ImageRequest, **options: Any) -> ImageResult:
    async with open_pipeline(PROVIDER, environ, **options) as pipeline:
        return await pipeline.run(request)


async def refused(environ: Environ, request: ImageRequest, **options: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await run(environ, request, **options)
    assert caught.value.message
    assert caught.value.hint
    return caught.value
