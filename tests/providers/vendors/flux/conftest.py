"""What the tests of Flux share: the vendor without its pauses, pictures, and ways to ask and to be refused."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import ImageRequest, Operation, Picture
from atelier.providers.images.masks import normalise_mask as masked
from atelier.providers.images.sources import normalise_source
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.server import Received
from atelier.providers.vendors.flux import PROVIDER
from atelier.providers.vendors.flux import tasks as vendor
from tests.conftest import Environ, encoded_png, png
from tests.vendors import open_pipeline

Body = dict[str, Any]

FOX = normalise_source(png(320, 256, "orange"))
HEN = normalise_source(png(256, 256, "white"))
EDIT, FOXES = Operation.EDIT, (FOX, HEN)
ERASE, OUTPAINTING = "flux/flux-tools/erase-v1", "flux/flux-tools/outpainting-v1"


@pytest.fixture
def flux(flux: Flux, impatient: None, monkeypatch: pytest.MonkeyPatch) -> Flux:
    """The vendor as new. Its polls and the pauses between tries are cut short, and nothing else."""
    monkeypatch.setattr(vendor, "POLL_INTERVAL", 0.02)
    return flux


def half_mask() -> Picture:
    """Of the fox's size, white on the left half."""
    white = Image.new("L", (320, 256), 0)
    white.paste(255, (0, 0, 160, 256))
    return masked(encoded_png(white))


def data(picture: Picture) -> str:
    return base64.b64encode(picture.image_bytes).decode()


async def sent(environ: Environ, flux: Flux, **asked: Any) -> tuple[str, Body]:
    """Path and body of what a request came to, having been carried out without a field lost on the way."""
    async with open_pipeline(PROVIDER, environ) as pipeline:
        await pipeline.run(ImageRequest(**asked))
    assert flux.dropped == []
    return flux.requests[0].path, flux.requests[0].json


async def refused(environ: Environ, **asked: Any) -> ImageError:
    wanted: Body = {"prompt": "a fox in the snow", "model": "flux", **asked}
    async with open_pipeline(PROVIDER, environ) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(**wanted))
    assert caught.value.message
    assert caught.value.hint
    return caught.value


def keyed(requests: list[Received]) -> list[tuple[str, bool]]:
    return [(urlsplit(request.path).path.split("/")[1], "x-key" in request.headers) for request in requests]
