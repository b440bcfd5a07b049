"""Flux's rows: what a family does not take, models that are not listed, and which row a name means."""

from __future__ import annotations

import json

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.testing.emulators import flux_rules as emulated
from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.flux_schemas import MODELS
from atelier.providers.vendors.flux import PROVIDER
from tests.conftest import TODAY, Environ
from tests.providers.vendors.flux.conftest import EDIT, FOX, FOXES, HEN, OUTPAINTING, Body, data, half_mask, refused
from tests.vendors import only, open_pipeline

pytestmark = pytest.mark.anyio

NOT_OFFERED: list[tuple[Body, Reason]] = [
    ({"negative_prompt": "dogs"}, Reason.UNSUPPORTED_OPTION),
    ({"negative_prompt": "dogs", "model": "flux-pro-1.1"}, Reason.UNSUPPORTED_OPTION),
    ({"negative_prompt": "dogs", "model": "flux-kontext-pro"}, Reason.UNSUPPORTED_OPTION),
    ({"quality": "high"}, Reason.UNSUPPORTED_OPTION),
    ({"style": "anime"}, Reason.UNSUPPORTED_OPTION),
    ({"background": "transparent"}, Reason.UNSUPPORTED_OPTION),
    ({"strength": 0.5}, Reason.UNSUPPORTED_OPTION),
    ({"output_format": "jpeg", "compression": 80}, Reason.UNSUPPORTED_OPTION),
    ({"output_format": "gif"}, Reason.UNSUPPORTED_OPTION),
    ({"options": {"steps": 20}}, Reason.UNSUPPORTED_OPTION),
    ({"options": {"webhook_url": "https://example.org"}}, Reason.UNSUPPORTED_OPTION),
    ({"count": 11}, Reason.INVALID_REQUEST),
    ({"size": "1000x1000"}, Reason.UNSUPPORTED_OPTION),
    ({"size": "2064x2048"}, Reason.UNSUPPORTED_OPTION),
    ({"resolution": "4k"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-pro-1.1", "size": "1456x1024"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-pro-1.1", "resolution": "1k"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-kontext-pro", "size": "1024x1024"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-pro-1.1-ultra", "aspect_ratio": "3:1"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-3-image", "seed": 1}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-3-image", "size": "1024x1024"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-3-image", "output_format": "png"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-3-image-klein", "options": {"grounding": False}}, Reason.UNSUPPORTED_OPTION),
    (
        {"operation": Operation.INPAINT, "sources": (FOX,), "mask": half_mask(), "model": "flux-2-pro"},
        Reason.UNSUPPORTED_OPERATION,
    ),
    ({"operation": Operation.INPAINT, "sources": (FOX,)}, Reason.INVALID_REQUEST),
    ({"operation": EDIT, "sources": (FOX,), "mask": half_mask()}, Reason.UNSUPPORTED_OPTION),
    ({"operation": EDIT, "sources": (HEN,) * 9}, Reason.UNSUPPORTED_OPTION),
    ({"operation": EDIT, "sources": (HEN,) * 5, "model": "flux-2-klein-4b"}, Reason.UNSUPPORTED_OPTION),
    ({"operation": EDIT}, Reason.INVALID_REQUEST),
    ({"operation": EDIT, "sources": (FOX,), "model": "flux-pro-1.1"}, Reason.UNSUPPORTED_OPERATION),
    ({"operation": Operation.UPSCALE, "sources": (FOX,)}, Reason.UNSUPPORTED_OPERATION),
    ({"operation": Operation.INPAINT, "sources": (FOX,), "model": "flux-pro-1.0-fill"}, Reason.INVALID_REQUEST),
    ({"operation": Operation.OUTPAINT, "sources": (FOX,), "model": "flux-pro-1.0-expand"}, Reason.INVALID_REQUEST),
    (
        {"operation": Operation.OUTPAINT, "sources": (FOX,), "model": OUTPAINTING, "options": {"left": 0}},
        Reason.INVALID_REQUEST,
    ),
    ({"operation": Operation.OUTPAINT, "sources": (FOX,), "model": OUTPAINTING, "seed": 1}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-4-pro", "negative_prompt": "dogs"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-4-pro", "operation": EDIT, "sources": (HEN,) * 9}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-3-x", "operation": EDIT, "sources": (HEN,) * 11}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-pro-1.0-canny-x", "operation": EDIT, "sources": FOXES}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-4-pro", "style": "anime"}, Reason.UNSUPPORTED_OPTION),
    ({"model": "flux-4-pro", "operation": EDIT, "sources": (FOX,), "mask": half_mask()}, Reason.UNSUPPORTED_OPTION),
]


@pytest.mark.parametrize(("asked", "reason"), NOT_OFFERED)
async def test_what_a_family_does_not_take_is_refused_before_it_is_sent(
    with_flux: Environ, flux: Flux, asked: Body, reason: Reason
) -> None:
    assert (await refused(with_flux, **asked)).reason is reason
    assert not flux.requests


async def test_an_unlisted_model_is_asked_as_the_listed_one_it_is_most_like_with_values_as_they_are(
    with_flux: Environ, flux: Flux
) -> None:
    flux.next(emulated.NOT_FOUND)
    asked: Body = {"operation": EDIT, "sources": (HEN,) * 8, "seed": 1, "size": "5000x500", "output_format": "avif"}
    error = await refused(with_flux, model="flux-4-pro", options={"steps": 3}, **asked)
    assert error.reason is Reason.UNKNOWN_MODEL
    assert flux.requests[0].path == "/v1/flux-4-pro"
    assert flux.requests[0].json == {
        "prompt": "a fox in the snow",
        "width": 5000,
        "height": 500,
        "seed": 1,
        "output_format": "avif",
        "steps": 3,
        "input_image": data(HEN),
        **{f"input_image_{number}": data(HEN) for number in range(2, 9)},
    }
    request = ImageRequest(prompt="a", model="flux-3-x", operation=EDIT, sources=FOXES, resolution="8k")
    prepared = open_pipeline(PROVIDER, with_flux).prepare(request)
    assert json.loads(prepared.content) == {"prompt": "a", "resolution": "8k", "images": [data(FOX), data(HEN)]}


async def test_of_an_unlisted_model_too_one_picture_is_asked_at_a_time(
    with_flux: Environ, flux: Flux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "flux-4-pro", MODELS["flux-2-pro"])
    async with open_pipeline(PROVIDER, with_flux) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux-4-pro", count=3))
    assert len(result.images) == [request.path for request in flux.requests].count("/v1/flux-4-pro") == 3
    assert result.warnings == ()


def test_every_row_is_known_to_the_emulator_and_the_default_is_one_of_them() -> None:
    assert {model.id for model in PROVIDER.models} == set(MODELS)
    catalog = Catalog(lambda name: None, lambda: TODAY, only(PROVIDER))
    assert {catalog.resolve(name).model.id for name in ("flux", "bfl", "bfl/flux-2-pro")} == {"flux-2-pro"}
    assert catalog.resolve("flux-9").model.any_value


@pytest.mark.parametrize("model", ["flux-pro", "flux-pro-1.0-canny", "flux-pro-1.0-depth"])
def test_what_left_the_vendors_list_works_with_a_warning(model: str) -> None:
    asked = ImageRequest(prompt="a fox", model=model)
    if model != "flux-pro":
        asked = ImageRequest(prompt="a fox", model=model, operation=EDIT, sources=(FOX,))
    told = " ".join(open_pipeline(PROVIDER, {}).admit(asked).warnings)
    assert "deprecated" in told
    assert "flux-2-pro" in told


def test_for_each_operation_the_vendors_name_means_the_row_to_choose() -> None:
    catalog = Catalog(lambda name: None, lambda: TODAY, only(PROVIDER))
    meant = {operation: catalog.resolve("flux", operation).model for operation in Operation}
    assert {operation.value: row.id for operation, row in meant.items() if operation in row.operations} == {
        "generate": "flux-2-pro",
        "edit": "flux-2-pro",
        "inpaint": "flux-pro-1.0-fill",
        "outpaint": "flux-pro-1.0-expand",
        "erase": "flux-tools/erase-v1",
        "variation": "flux-pro-1.1",
    }
