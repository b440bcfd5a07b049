"""Stability's rows: what each can do and what is not sent, models that are not listed, and older names."""

from __future__ import annotations

from typing import Any

import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.emulators.stability_rules import RATIOS, STYLES
from atelier.providers.vendors.stability import PROVIDER
from atelier.providers.vendors.stability import models as rows
from tests.conftest import TODAY, Environ
from tests.providers.vendors.stability.conftest import (
    MASK,
    OTHER,
    PHOTO,
    RELIT,
    SEARCHED,
    WIDE,
    Op,
    asked,
    refused,
    run,
)
from tests.vendors import only, open_pipeline

pytestmark = pytest.mark.anyio


def test_for_each_operation_the_vendors_name_means_the_row_to_choose() -> None:
    catalog = Catalog(lambda name: None, lambda: TODAY, only(PROVIDER))
    meant = {operation.value: catalog.resolve("stability", operation).model.id for operation in Operation}
    assert meant == {
        "generate": "stable-image-core",
        "edit": "stable-image-ultra",
        "variation": "stable-image-ultra",
        "inpaint": "stable-image-inpaint",
        "outpaint": "stable-image-outpaint",
        "erase": "stable-image-erase",
        "remove_background": "stable-image-remove-background",
        "replace_background": "stable-image-replace-background-and-relight",
        "search_replace": "stable-image-search-and-replace",
        "recolor": "stable-image-search-and-recolor",
        "upscale": "stable-image-upscale-fast",
    }


def test_ratios_and_styles_are_the_vendors() -> None:
    for model in rows.MODELS:
        assert set(model.aspect_ratios) in (set[str](), RATIOS)
        assert set(model.styles) in (set[str](), STYLES)
        assert model.max_count == 1


EVERY = [
    (m.id, o, "a fox" if m.max_prompt else "")
    for m in rows.MODELS if m.wire != rows.V1
    for o in Operation if o in m.operations
]  # fmt: skip


@pytest.mark.parametrize(("model", "operation", "prompt"), EVERY)
async def test_every_operation_of_every_row_gives_a_picture(
    with_stability: Environ, stability: Stability, model: str, operation: Operation, prompt: str
) -> None:
    options: dict[str, Any] = {"left": 10} if operation is Op.OUTPAINT else {}
    options |= SEARCHED if operation in (Op.SEARCH_REPLACE, Op.RECOLOR) else {}
    pictures = () if operation is Op.GENERATE else (PHOTO,)
    mask = MASK if operation in (Op.INPAINT, Op.ERASE) else None
    request = asked(model, operation, prompt, sources=pictures, mask=mask, options=options)
    assert (await run(with_stability, request)).images
    assert stability.ignored == []


EARLY: list[tuple[ImageRequest, Reason, str]] = [
    (asked("stable-image-inpaint", Op.INPAINT, sources=(PHOTO,)), Reason.INVALID_REQUEST, "no mask"),
    (asked("stable-image-erase", Op.ERASE, "", sources=(PHOTO,)), Reason.INVALID_REQUEST, "mask"),
    (asked("stable-image-search-and-replace", Op.SEARCH_REPLACE, sources=(PHOTO,)), Reason.INVALID_REQUEST, "search"),
    (asked("stable-image-search-and-recolor", Op.RECOLOR, sources=(PHOTO,)), Reason.INVALID_REQUEST, "search"),
    (asked("stable-image-outpaint", Op.OUTPAINT, sources=(PHOTO,)), Reason.INVALID_REQUEST, "a side to extend"),
    (
        asked("stable-image-outpaint", Op.OUTPAINT, sources=(PHOTO,), options={"left": 0}),
        Reason.INVALID_REQUEST,
        "a side to extend",
    ),
    (asked("stable-image-erase", Op.ERASE, sources=(PHOTO,), mask=MASK), Reason.UNSUPPORTED_OPTION, "prompt"),
    (asked("stable-image-upscale-fast", Op.UPSCALE, sources=(PHOTO,)), Reason.UNSUPPORTED_OPTION, "prompt"),
    (
        asked("stable-image-remove-background", Op.REMOVE_BACKGROUND, sources=(PHOTO,)),
        Reason.UNSUPPORTED_OPTION,
        "prompt",
    ),
    (asked("stable-image-upscale-creative", Op.UPSCALE, " ", sources=(PHOTO,)), Reason.INVALID_REQUEST, "prompt"),
    (asked("stable-image-upscale-conservative", Op.UPSCALE, "", sources=(PHOTO,)), Reason.INVALID_REQUEST, "prompt"),
    (asked("ultra", Op.VARIATION, "", sources=(PHOTO,)), Reason.INVALID_REQUEST, "prompt"),
    (asked("ultra", strength=0.5), Reason.INVALID_REQUEST, "source"),
    (asked("sd3.5-large", Op.EDIT, sources=(PHOTO,), **WIDE), Reason.UNSUPPORTED_OPTION, "aspect_ratio"),
    (asked("core", aspect_ratio="4:3"), Reason.UNSUPPORTED_OPTION, "aspect_ratio"),
    (asked("core", size="1024x1024"), Reason.UNSUPPORTED_OPTION, "size"),
    (asked("core", resolution="2k"), Reason.UNSUPPORTED_OPTION, "resolution"),
    (asked("core", quality="high"), Reason.UNSUPPORTED_OPTION, "quality"),
    (asked("core", style="baroque"), Reason.UNSUPPORTED_OPTION, "style"),
    (asked("core", background="transparent"), Reason.UNSUPPORTED_OPTION, "background"),
    (asked("core", output_format="jpeg", compression=80), Reason.UNSUPPORTED_OPTION, "output_compression"),
    (asked("core", sources=(PHOTO,)), Reason.UNSUPPORTED_OPTION, "source images"),
    (asked("core", Op.EDIT, sources=(PHOTO,)), Reason.UNSUPPORTED_OPERATION, "edit"),
    (asked("core", count=11), Reason.INVALID_REQUEST, "n is 11"),
    (asked("core", prompt="a" * 10_001), Reason.INVALID_REQUEST, "10,000"),
    (asked("ultra", Op.EDIT, sources=(PHOTO,), mask=MASK), Reason.UNSUPPORTED_OPTION, "mask"),
    (asked("sd3.5-large", output_format="webp"), Reason.UNSUPPORTED_OPTION, "webp"),
    (asked(RELIT, Op.REPLACE_BACKGROUND, " ", sources=(PHOTO,)), Reason.INVALID_REQUEST, "prompt"),
    (
        asked(RELIT, Op.REPLACE_BACKGROUND, sources=(PHOTO,), options={"light_source_strength": 0.5}),
        Reason.INVALID_REQUEST,
        "light_source_direction",
    ),
    (asked("ultra", options={"cfg_scale": 3}), Reason.UNSUPPORTED_OPTION, "cfg_scale"),
    (
        asked("stable-image-outpaint", Op.OUTPAINT, sources=(PHOTO,), options={"left": 9}, negative_prompt="x"),
        Reason.UNSUPPORTED_OPTION,
        "negative_prompt",
    ),
    (
        asked("stable-image-remove-background", Op.REMOVE_BACKGROUND, "", sources=(PHOTO,), seed=1),
        Reason.UNSUPPORTED_OPTION,
        "seed",
    ),
    (
        asked("stable-image-remove-background", Op.REMOVE_BACKGROUND, "", sources=(PHOTO,), output_format="jpeg"),
        Reason.UNSUPPORTED_OPTION,
        "jpeg",
    ),
    (asked("sd4-huge", Op.ERASE, sources=(PHOTO,)), Reason.UNSUPPORTED_OPERATION, "erase"),
    (asked("sd4-huge", Op.EDIT, sources=(PHOTO,), mask=MASK), Reason.UNSUPPORTED_OPTION, "mask"),
    (asked("sd4-huge", Op.EDIT, sources=(PHOTO, OTHER)), Reason.UNSUPPORTED_OPTION, "source image"),
    (asked("sd4-huge", quality="high"), Reason.UNSUPPORTED_OPTION, "quality"),
    (asked("sd4-huge", size="1024x1024"), Reason.UNSUPPORTED_OPTION, "size"),
    (asked("sd4-huge", count=11), Reason.INVALID_REQUEST, "n is 11"),
]


async def test_a_negative_prompt_is_not_offered_where_there_is_no_prompt(with_stability: Environ) -> None:
    request = asked("stable-image-erase", Op.ERASE, "", sources=(PHOTO,), mask=MASK, negative_prompt="x")
    assert (await refused(with_stability, request)).reason is Reason.UNSUPPORTED_OPTION


@pytest.mark.parametrize(("request_", "reason", "words"), EARLY)
async def test_what_would_be_refused_or_billed_for_nothing_is_not_sent(
    with_stability: Environ, stability: Stability, request_: ImageRequest, reason: Reason, words: str
) -> None:
    error = await refused(with_stability, request_)
    assert error.reason is reason
    assert words in error.message
    assert stability.requests == []


UNLISTED: list[tuple[ImageRequest, str, list[bytes]]] = [
    (
        asked("sd4-huge", Op.EDIT, sources=(PHOTO,), style="baroque", options={"steps": 30}),
        "generate/sd3",
        [b'"model"\r\n\r\nsd4-huge', b'"steps"\r\n\r\n30', b'"strength"\r\n\r\n0.65', b"baroque"],
    ),
    (asked("stable-image-next/v1", **WIDE), "generate/next%2Fv1", [b"16:9"]),
    (asked("stable-image-next", output_format="webp", **WIDE), "generate/next", [b"a fox", b"webp", b"16:9"]),
    (
        asked("stable-image-control-pose", Op.EDIT, sources=(PHOTO,), strength=0.2),
        "control/pose",
        [b'"control_strength"\r\n\r\n0.8'],
    ),
    (
        asked("stable-image-search-and-replace-2", Op.SEARCH_REPLACE, sources=(PHOTO,), options=SEARCHED),
        "edit/search-and-replace-2",
        [b'"search_prompt"\r\n\r\nthe cat'],
    ),
]


@pytest.mark.parametrize(("request_", "path", "parts"), UNLISTED, ids=[row[1] for row in UNLISTED])
def test_unlisted_models_are_asked_as_the_listed_ones_that_they_are_most_like(
    request_: ImageRequest, path: str, parts: list[bytes]
) -> None:
    prepared = open_pipeline(PROVIDER, {}).prepare(request_)
    assert prepared.url.raw_path.decode() == f"/v2beta/stable-image/{path}"
    body = prepared.read()
    assert [part for part in parts if part not in body] == []
    assert (b'"model"' in body) is (path == "generate/sd3")


@pytest.mark.parametrize(("model", "requests"), [("stable-image-next", 1), ("stability/stable-image-../../v1/user", 0)])
async def test_an_unlisted_model_that_does_not_exist_or_strays_is_unknown(
    with_stability: Environ, stability: Stability, model: str, requests: int
) -> None:
    assert (await refused(with_stability, asked(model))).reason is Reason.UNKNOWN_MODEL
    assert len(stability.requests) == requests


@pytest.mark.parametrize("old", rows.REROUTED)
async def test_an_older_name_works_and_the_answer_says_who_drew(
    with_stability: Environ, stability: Stability, old: str
) -> None:
    result = await run(with_stability, asked(old))
    assert stability.form.fields == {"prompt": "a fox", "model": old}
    assert (result.model, result.details["model"]) == (old, old.replace("sd3", "sd3.5"))
    assert "deprecated" in result.warnings[0]
    assert f"with {result.details['model']} since 2025-04-17" in result.warnings[1]


async def test_the_retired_one_is_refused_with_its_successor_on_every_host(
    with_stability: Environ, stability: Stability
) -> None:
    custom = await refused(with_stability, asked("stability/stable-diffusion-v1-6"))
    with pytest.raises(ImageError) as caught:
        open_pipeline(PROVIDER, {}).prepare(asked("stable-diffusion-v1-6"))
    for error in (custom, caught.value):
        assert error.reason is Reason.MODEL_RETIRED
        assert "stable-image-core" in error.hint
    assert stability.requests == []
