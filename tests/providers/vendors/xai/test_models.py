"""xAI's rows: what is refused before anything is sent, models that are not listed, and lifecycles."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.core.types import ImageRequest, Operation, Picture
from atelier.providers.images import sources
from atelier.providers.images.masks import normalise_mask
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.xai import PROVIDER
from tests.conftest import Environ, png
from tests.providers.vendors.xai.conftest import edit, refused, source
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

# What is refused before anything is sent


GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


@pytest.mark.parametrize(
    ("request_", "reason", "named"),
    [
        (ImageRequest(prompt="a", model="grok-imagine-image", quality="low"), Reason.UNSUPPORTED_OPTION, "quality"),
        (ImageRequest(prompt="a", model="grok-imagine-image", aspect_ratio="21:9"), Reason.UNSUPPORTED_OPTION, "21:9"),
        (ImageRequest(prompt="a", model="xai", aspect_ratio="7:5"), Reason.UNSUPPORTED_OPTION, "7:5"),
        (ImageRequest(prompt="a", model="xai", quality="high"), Reason.UNSUPPORTED_OPTION, "high"),
        (ImageRequest(prompt="a", model="xai", resolution="4k"), Reason.UNSUPPORTED_OPTION, "4k"),
        (ImageRequest(prompt="a", model="xai", size="1024x1024"), Reason.UNSUPPORTED_OPTION, "size"),
        (ImageRequest(prompt="a", model="xai", seed=1), Reason.UNSUPPORTED_OPTION, "seed"),
        (ImageRequest(prompt="a", model="xai", negative_prompt="b"), Reason.UNSUPPORTED_OPTION, "negative_prompt"),
        (ImageRequest(prompt="a", model="xai", style="vivid"), Reason.UNSUPPORTED_OPTION, "style"),
        (ImageRequest(prompt="a", model="xai", background="opaque"), Reason.UNSUPPORTED_OPTION, "background"),
        (ImageRequest(prompt="a", model="xai", output_format="png"), Reason.UNSUPPORTED_OPTION, "output_format"),
        (ImageRequest(prompt="a", model="xai", options={"cfg": 1}), Reason.UNSUPPORTED_OPTION, "cfg"),
        (ImageRequest(prompt="a", model="xai", count=11), Reason.INVALID_REQUEST, "10"),
        (edit(*[source()] * 6), Reason.UNSUPPORTED_OPTION, "6"),
        (edit(*[source()] * 4, model="grok-imagine-image"), Reason.UNSUPPORTED_OPTION, "4"),
        (edit(source(), mask=normalise_mask(png(64, 48, 255, "L"))), Reason.UNSUPPORTED_OPTION, "mask"),
        (edit(source(), strength=0.5), Reason.UNSUPPORTED_OPTION, "strength"),
        (edit(source(), operation=Operation.UPSCALE), Reason.UNSUPPORTED_OPERATION, "upscale"),
        (edit(source(), operation=Operation.VARIATION), Reason.UNSUPPORTED_OPERATION, "variation"),
        (edit(), Reason.INVALID_REQUEST, "image"),
        (edit(sources.normalise_source(GIF)), Reason.INVALID_REQUEST, "GIF"),
        (edit(Picture(bytes(10 * 2**20 + 1), "png", 9, 9)), Reason.INVALID_REQUEST, "10"),
    ],
)
async def test_what_a_model_cannot_do_is_refused_by_name_and_nothing_is_sent(
    with_xai: Environ, xai: XAI, request_: ImageRequest, reason: Reason, named: str
) -> None:
    error = await refused(request_, with_xai)
    assert error.reason is reason
    assert named in error.message
    assert error.hint
    assert xai.requests == []


@pytest.mark.parametrize(
    ("fields", "reason", "named"),
    [
        ({"seed": 1}, Reason.UNSUPPORTED_OPTION, "seed"),
        ({"size": "1024x1024"}, Reason.UNSUPPORTED_OPTION, "size"),
        ({"style": "vivid"}, Reason.UNSUPPORTED_OPTION, "style"),
        ({"background": "opaque"}, Reason.UNSUPPORTED_OPTION, "background"),
        ({"output_format": "jpeg", "compression": 80}, Reason.UNSUPPORTED_OPTION, "output_format"),
        ({"strength": 0.5}, Reason.UNSUPPORTED_OPTION, "strength"),
        ({"mask": normalise_mask(png(64, 48, 255, "L"))}, Reason.UNSUPPORTED_OPTION, "mask"),
        ({"operation": Operation.OUTPAINT, "options": {"left": 8}}, Reason.UNSUPPORTED_OPERATION, "outpaint"),
    ],
)
async def test_an_unlisted_model_is_not_asked_for_what_would_be_dropped_and_billed(
    with_xai: Environ, xai: XAI, fields: dict[str, Any], reason: Reason, named: str
) -> None:
    error = await refused(edit(source(), model="grok-imagine-image-3.0", **fields), with_xai)
    assert error.reason is reason
    assert named in error.message
    assert xai.requests == []


async def test_an_unlisted_model_passes_with_fields_of_the_vendor() -> None:
    request = ImageRequest(
        prompt="a fox", model="grok-imagine-image-3.0", quality="ultra", options={"thinking": "high"}
    )
    prepared = open_pipeline(PROVIDER, {}).prepare(request)
    assert b'"quality":"ultra"' in prepared.content
    assert b'"thinking":"high"' in prepared.content


# Lifecycle


async def test_a_retired_model_is_refused_with_its_successor(environ: Environ) -> None:
    error = await refused(ImageRequest(prompt="a fox", model="grok-2-image-1212"), environ)
    assert (error.reason, error.facts["successor"]) == (Reason.MODEL_RETIRED, "grok-imagine-image-2.0")


async def test_a_retired_model_is_tried_where_someone_else_serves_it(with_xai: Environ, xai: XAI) -> None:
    error = await refused(ImageRequest(prompt="a fox", model="grok-2-image-1212"), with_xai)
    assert error.reason is Reason.UNKNOWN_MODEL
    assert xai.requests[-1].json["model"] == "grok-2-image-1212"


@pytest.mark.parametrize(
    "model", ["grok-imagine-image-quality", "grok-imagine-image-quality-latest", "grok-imagine-image-pro"]
)
async def test_a_redirected_model_works_and_the_answer_says_what_it_was(
    with_xai: Environ, xai: XAI, model: str
) -> None:
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model=model))
    deprecated, served = result.warnings
    assert "deprecated" in deprecated
    assert "grok-imagine-image-2.0" in deprecated
    assert "served this with “grok-imagine-image-2.0”" in served
    assert result.details["served_model"] == "grok-imagine-image-2.0"
    assert result.actual_usd == Decimal("0.04")


async def test_a_dated_name_is_sent_as_it_is_and_is_the_model_itself(with_xai: Environ, xai: XAI) -> None:
    item = {"b64_json": base64.b64encode(png(8, 8)).decode()}
    xai.next(
        Answer(200, {"model": "grok-imagine-image", "data": [item]}),
        Answer(200, {"model": "grok-imagine-image-2026-03-02", "data": [item]}),
    )
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        dated = await pipeline.run(ImageRequest(prompt="a fox", model="grok-imagine-image-2026-03-02"))
        bare = await pipeline.run(ImageRequest(prompt="a fox", model="grok-imagine-image"))
    assert [request.json["model"] for request in xai.requests] == [dated.model, bare.model]
    assert (dated.model, bare.model) == ("grok-imagine-image-2026-03-02", "grok-imagine-image")
    for result in (dated, bare):
        assert result.warnings == ()
        assert "served_model" not in result.details
