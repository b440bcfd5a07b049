"""What Stability is sent: every endpoint in its own words, masks as it reads them, and no key in a body."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from atelier.providers.core.types import ImageRequest
from atelier.providers.images.masks import normalise_mask as masked
from atelier.providers.testing.emulators import stability as emulated
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.emulators.stability_rules import TOOLS
from atelier.providers.vendors.stability import PROVIDER
from atelier.providers.vendors.stability import models as rows
from tests.conftest import Environ
from tests.providers.vendors.stability.conftest import MASK, OTHER, PHOTO, RELIT, SEARCHED, WIDE, Op, asked, run
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


async def test_only_what_was_asked_is_on_the_wire(with_stability: Environ, stability: Stability) -> None:
    result = await run(with_stability, asked("stability"))
    sent = stability.requests[-1]
    assert (stability.form.tool, stability.form.fields, stability.form.files) == (
        "generate/core",
        {"prompt": "a fox"},
        {},
    )
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert (sent.headers["accept"], sent.headers["authorization"]) == ("application/json", f"Bearer {stability.key}")
    assert result.warnings == ()
    assert result.actual_usd == Decimal("0.03")  # the vendor names no price


FULL: dict[str, Any] = {"negative_prompt": "dogs", "seed": 7, "style": "line-art", "output_format": "jpeg"}
FULL_SENT = {
    "prompt": "a fox",
    "negative_prompt": "dogs",
    "seed": "7",
    "style_preset": "line-art",
    "output_format": "jpeg",
}
SHORT: dict[str, Any] = {"seed": 7, "output_format": "webp"}
SHORT_SENT = {"seed": "7", "output_format": "webp"}
WIDE_SENT = {"aspect_ratio": "16:9"}
PHOTOS = {"image": PHOTO.image_bytes}

WIRE: list[tuple[ImageRequest, str, dict[str, str], dict[str, bytes]]] = [
    (asked("core", **FULL, **WIDE), "generate/core", FULL_SENT | WIDE_SENT, {}),
    (asked("ultra", **FULL, **WIDE), "generate/ultra", FULL_SENT | WIDE_SENT, {}),
    (
        asked("ultra", Op.VARIATION, strength=0.3, sources=(PHOTO,), **FULL),
        "generate/ultra",
        FULL_SENT | {"strength": "0.3"},
        PHOTOS,
    ),
    (
        asked("sd3.5-large-turbo", options={"cfg_scale": 2.5}, **FULL, **WIDE),
        "generate/sd3",
        FULL_SENT | WIDE_SENT | {"model": "sd3.5-large-turbo", "cfg_scale": "2.5"},
        {},
    ),
    (
        asked("sd3.5-medium", Op.EDIT, strength=0, sources=(PHOTO,), **FULL),
        "generate/sd3",
        FULL_SENT | {"model": "sd3.5-medium", "mode": "image-to-image", "strength": "0"},
        PHOTOS,
    ),
    (
        asked("stable-image-inpaint", Op.INPAINT, sources=(PHOTO,), mask=MASK, options={"grow_mask": 9}, **FULL),
        "edit/inpaint",
        FULL_SENT | {"grow_mask": "9"},
        PHOTOS | {"mask": MASK.image_bytes},
    ),
    (
        asked("stable-image-erase", Op.ERASE, "", sources=(PHOTO,), mask=MASK, options={"grow_mask": 9}, **SHORT),
        "edit/erase",
        SHORT_SENT | {"grow_mask": "9"},
        PHOTOS | {"mask": MASK.image_bytes},
    ),
    (
        asked(
            "stable-image-outpaint",
            Op.OUTPAINT,
            "",
            sources=(PHOTO,),
            options={"left": 1, "right": 2, "top": 3, "bottom": 4, "creativity": 0.2},
            style="origami",
            **SHORT,
        ),
        "edit/outpaint",
        SHORT_SENT
        | {"left": "1", "right": "2", "up": "3", "down": "4", "creativity": "0.2", "style_preset": "origami"},
        PHOTOS,
    ),
    (
        asked("stable-image-search-and-replace", Op.SEARCH_REPLACE, sources=(PHOTO,), options=SEARCHED, **FULL),
        "edit/search-and-replace",
        FULL_SENT | {"search_prompt": "the cat"},
        PHOTOS,
    ),
    (
        asked("stable-image-search-and-recolor", Op.RECOLOR, sources=(PHOTO,), options=SEARCHED, **FULL),
        "edit/search-and-recolor",
        FULL_SENT | {"select_prompt": "the cat"},
        PHOTOS,
    ),
    (
        asked("stable-image-remove-background", Op.REMOVE_BACKGROUND, "", sources=(PHOTO,), output_format="webp"),
        "edit/remove-background",
        {"output_format": "webp"},
        PHOTOS,
    ),
    (
        asked(
            RELIT,
            Op.REPLACE_BACKGROUND,
            sources=(PHOTO, OTHER),
            negative_prompt="dogs",
            options={"keep_original_background": True, "light_source_direction": "left", "light_source_strength": 0.5},
            **SHORT,
        ),
        "edit/replace-background-and-relight",
        SHORT_SENT
        | {
            "background_prompt": "a fox",
            "negative_prompt": "dogs",
            "keep_original_background": "true",
            "light_source_direction": "left",
            "light_source_strength": "0.5",
        },
        {"subject_image": PHOTO.image_bytes, "background_reference": OTHER.image_bytes},
    ),
    (
        asked(RELIT, Op.REPLACE_BACKGROUND, "", sources=(PHOTO, OTHER)),
        "edit/replace-background-and-relight",
        {},
        {"subject_image": PHOTO.image_bytes, "background_reference": OTHER.image_bytes},
    ),
    (
        asked("stable-image-control-sketch", Op.EDIT, sources=(PHOTO,), strength=0.3, **FULL),
        "control/sketch",
        FULL_SENT | {"control_strength": "0.7"},
        PHOTOS,
    ),
    (
        asked("stable-image-control-structure", Op.VARIATION, sources=(PHOTO,), **FULL),
        "control/structure",
        FULL_SENT,
        PHOTOS,
    ),
    (
        asked("stable-image-control-style", Op.EDIT, sources=(PHOTO,), strength=0.9, **FULL, **WIDE),
        "control/style",
        FULL_SENT | WIDE_SENT | {"fidelity": "0.1"},
        PHOTOS,
    ),
    (
        asked("stable-image-upscale-fast", Op.UPSCALE, "", sources=(PHOTO,), output_format="webp"),
        "upscale/fast",
        {"output_format": "webp"},
        PHOTOS,
    ),
    (
        asked("stable-image-upscale-conservative", Op.UPSCALE, sources=(PHOTO,), options={"creativity": 0.4}, **SHORT),
        "upscale/conservative",
        SHORT_SENT | {"prompt": "a fox", "creativity": "0.4"},
        PHOTOS,
    ),
    (
        asked("stable-image-upscale-creative", Op.UPSCALE, sources=(PHOTO,), **FULL),
        "upscale/creative",
        FULL_SENT,
        PHOTOS,
    ),
]


@pytest.mark.parametrize(("request_", "tool", "fields", "files"), WIRE, ids=[row[1] for row in WIRE])
async def test_every_endpoint_is_asked_in_its_own_words(
    with_stability: Environ,
    stability: Stability,
    request_: ImageRequest,
    tool: str,
    fields: dict[str, str],
    files: dict[str, bytes],
) -> None:
    result = await run(with_stability, request_)
    assert (stability.form.tool, stability.form.fields, stability.form.files) == (tool, fields, files)
    assert stability.ignored == []
    assert result.images[0].format == fields.get("output_format", "png")
    assert result.images[0].picture.seed == int(fields.get("seed", emulated.SEED))
    assert result.details["request_id"] == "req_1"


def test_every_endpoint_and_every_current_row_is_in_that_list() -> None:
    assert {row[1] for row in WIRE} == set(TOOLS) == {model.wire for model in rows.MODELS} - {rows.V1}


@pytest.mark.parametrize(
    ("model", "strength"), [("ultra", "0.65"), ("sd3.5-large", "0.65"), ("sd3.5-flash", "0.95"), ("sd3-medium", "0.65")]
)
async def test_where_the_vendor_insists_on_a_strength_ours_is_told(
    with_stability: Environ, stability: Stability, model: str, strength: str
) -> None:
    result = await run(with_stability, asked(model, Op.VARIATION, sources=(PHOTO,)))
    assert stability.form.fields["strength"] == strength
    assert f"strength {strength}" in " ".join(result.warnings)


async def test_white_and_transparent_are_what_changes_in_the_pixels_that_arrive(
    with_stability: Environ, stability: Stability
) -> None:
    white = Image.new("L", (128, 96), "black")
    white.paste("white", (0, 0, 64, 96))
    clear = Image.new("RGBA", (128, 96), "white")
    clear.paste((0, 0, 0, 0), (0, 0, 64, 96))
    for drawn in (white, clear):
        out = io.BytesIO()
        drawn.save(out, "PNG")
        mask = masked(out.getvalue())
        result = await run(with_stability, asked("stable-image-inpaint", Op.INPAINT, sources=(PHOTO,), mask=mask))
        with Image.open(io.BytesIO(stability.form.files["mask"])) as arrived:
            assert (arrived.mode, arrived.size) == ("L", (128, 96))
            assert [arrived.getpixel((x, 50)) for x in (0, 63, 64, 127)] == [255, 255, 0, 0]
        with Image.open(io.BytesIO(result.images[0].image_bytes)) as made:
            assert [made.getpixel((x, 50)) for x in (63, 64)] == [(255, 165, 0), (0, 0, 128)]


@pytest.mark.parametrize(("request_", "tool", "fields", "files"), WIRE, ids=[row[1] for row in WIRE])
async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(
    with_stability: Environ, stability: Stability, request_: ImageRequest, tool: str, fields: object, files: object
) -> None:
    async with open_pipeline(PROVIDER, with_stability) as pipeline:
        prepared = pipeline.prepare(request_)
        await pipeline.run(request_)
    fired = stability.requests[0]
    body = prepared.read()
    assert (str(prepared.url), body) == (f"{stability.url}{fired.path}", fired.body)
    assert stability.key not in repr(prepared.headers) + body.decode("latin-1")
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value


def test_preparing_needs_no_key() -> None:
    prepared = open_pipeline(PROVIDER, {}).prepare(asked("stability/ultra"))
    assert str(prepared.url) == "https://api.stability.ai/v2beta/stable-image/generate/ultra"
