"""What Flux is sent: each family in its own fields, masks white where the picture changes, no key in a body."""

from __future__ import annotations

import pytest
from PIL import Image

from atelier.providers.core.errors import Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask as masked
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.images import opened
from atelier.providers.vendors.flux import PROVIDER
from tests.conftest import Environ
from tests.conftest import encoded_png as _png
from tests.providers.vendors.flux.conftest import (
    EDIT,
    ERASE,
    FOX,
    FOXES,
    HEN,
    OUTPAINTING,
    Body,
    data,
    half_mask,
    refused,
    sent,
)
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def test_only_what_was_asked_is_on_the_wire(with_flux: Environ, flux: Flux) -> None:
    path, body = await sent(with_flux, flux, prompt="a fox", model="flux")
    assert (path, body) == ("/v1/flux-2-pro", {"prompt": "a fox"})


OFFSETS = {"left": 64, "bottom": 32}
BODIES: list[tuple[str, Body, Body]] = [
    (
        "flux-2-max",
        {"size": "1536x640", "seed": 7, "output_format": "png", "options": {"disable_pup": True}},
        {"width": 1536, "height": 640, "seed": 7, "output_format": "png", "disable_pup": True},
    ),
    ("flux-2-pro-preview", {"aspect_ratio": "16:9", "resolution": "2k"}, {"width": 2560, "height": 1440}),
    ("flux-2-flex", {"options": {"steps": 20, "guidance": 4.5}}, {"steps": 20, "guidance": 4.5}),
    (
        "flux-2-klein-9b",
        {"operation": EDIT, "sources": FOXES},
        {"input_image": data(FOX), "input_image_2": data(HEN)},
    ),
    ("flux-2-klein-4b", {"resolution": "512"}, {"width": 512, "height": 512}),
    ("flux-3-image", {}, {}),
    (
        "flux-3-image",
        {"operation": EDIT, "sources": FOXES, "aspect_ratio": "auto", "resolution": "4k"},
        {"images": [data(FOX), data(HEN)], "aspect_ratio": "auto", "resolution": "4k"},
    ),
    ("flux-3-image", {"options": {"grounding": False}}, {"grounding": False}),
    (
        "flux-3-image-klein",
        {"aspect_ratio": "7:5", "resolution": "768sq"},
        {"aspect_ratio": "7:5", "resolution": "768sq"},
    ),
    (
        "flux-kontext-max",
        {"operation": EDIT, "sources": FOXES, "aspect_ratio": "9:21", "seed": 0},
        {"input_image": data(FOX), "input_image_2": data(HEN), "aspect_ratio": "9:21", "seed": 0},
    ),
    ("flux-pro-1.1", {"aspect_ratio": "3:2"}, {"width": 1248, "height": 832}),
    ("flux-pro", {"size": "1440x256"}, {"width": 1440, "height": 256}),
    (
        "flux-dev",
        {"operation": Operation.VARIATION, "sources": (FOX,), "options": {"safety_tolerance": 6}},
        {"image_prompt": data(FOX), "safety_tolerance": 6},
    ),
    (
        "flux-pro-1.1-ultra",
        {"operation": Operation.VARIATION, "sources": (FOX,), "strength": 0.7, "aspect_ratio": "21:9"},
        {"image_prompt": data(FOX), "image_prompt_strength": 0.3, "aspect_ratio": "21:9"},
    ),
    (
        "flux-pro-1.0-fill",
        {"operation": Operation.INPAINT, "sources": (FOX,), "mask": half_mask(), "output_format": "webp"},
        {"image": data(FOX), "mask": data(half_mask()), "output_format": "webp"},
    ),
    (
        "flux-pro-1.0-expand",
        {"operation": Operation.OUTPAINT, "sources": (FOX,), "options": OFFSETS},
        {"image": data(FOX), "left": 64, "bottom": 32},
    ),
    (
        OUTPAINTING,
        {"operation": Operation.OUTPAINT, "sources": (FOX,), "options": {**OFFSETS, "mode": "fast"}},
        {
            "input_image": data(FOX),
            "width": 384,
            "height": 288,
            "reference_offset_x": 64,
            "reference_offset_y": 0,
            "mode": "fast",
        },
    ),
    ("flux-pro-1.0-depth", {"operation": EDIT, "sources": (FOX,)}, {"control_image": data(FOX)}),
]


@pytest.mark.parametrize(("model", "asked", "wire"), BODIES)
async def test_each_family_is_asked_in_its_own_fields(
    with_flux: Environ, flux: Flux, model: str, asked: Body, wire: Body
) -> None:
    path, body = await sent(with_flux, flux, prompt="a fox", model=model, **asked)
    assert path == f"/v1/{model.removeprefix('flux/')}"
    assert body == {"prompt": "a fox", **wire}


async def test_an_eraser_has_no_prompt(with_flux: Environ, flux: Flux) -> None:
    asked: Body = {"operation": Operation.ERASE, "sources": (FOX,), "mask": half_mask(), "model": ERASE}
    path, body = await sent(with_flux, flux, **asked, options={"dilate_pixels": 0})
    assert path == "/v1/flux-tools/erase-v1"
    assert body == {"image": data(FOX), "mask": data(half_mask()), "dilate_pixels": 0}
    assert len(flux.requests) == 3
    error = await refused(with_flux, **asked, prompt="a hat")
    assert (error.reason, error.message) == (
        Reason.UNSUPPORTED_OPTION,
        "flux-tools/erase-v1 does not support prompt.",
    )
    error = await refused(with_flux, **{**asked, "mask": None}, prompt="")
    assert error.reason is Reason.INVALID_REQUEST
    assert "mask" in error.hint
    assert len(flux.requests) == 3


@pytest.mark.parametrize(
    ("model", "operation"), [("flux-pro-1.0-fill", Operation.INPAINT), ("flux-erase", Operation.ERASE)]
)
async def test_the_mask_arrives_white_where_the_picture_changes(
    with_flux: Environ, flux: Flux, model: str, operation: Operation
) -> None:
    transparent = Image.new("RGBA", (320, 256), "red")
    transparent.paste((0, 0, 0, 0), (0, 0, 160, 256))
    prompt = "a hat" if operation is Operation.INPAINT else ""
    for mask in (half_mask(), masked(_png(transparent))):
        flux.reset()
        _, body = await sent(
            with_flux, flux, operation=operation, prompt=prompt, model=model, sources=(FOX,), mask=mask
        )
        arrived = opened(body["mask"])
        assert arrived.size == (FOX.width, FOX.height)
        assert (arrived.getpixel((10, 10)), arrived.getpixel((310, 10))) == (255, 0)
        assert opened(body["image"]).getpixel((10, 10)) == (255, 165, 0)


async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(with_flux: Environ, flux: Flux) -> None:
    request = ImageRequest(prompt="a fox", model="flux-kontext-pro", operation=EDIT, sources=FOXES)
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        prepared = pipeline.prepare(request)
        await pipeline.run(request)
    fired = flux.requests[0]
    assert (str(prepared.url), prepared.content) == (f"{flux.url}/v1/flux-kontext-pro", fired.body)
    assert flux.key not in repr(prepared.headers) + prepared.content.decode()
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value


async def test_preparing_needs_no_key() -> None:
    prepared = open_pipeline(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model="bfl"))
    assert str(prepared.url) == "https://api.bfl.ai/v1/flux-2-pro"
