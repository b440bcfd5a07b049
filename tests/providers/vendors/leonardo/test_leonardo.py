"""What is special to Leonardo: uploads, both APIs, a price that is asked for, and how a job ends without images."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.testing.emulators import leonardo_rules as emulated
from atelier.providers.testing.emulators.leonardo import Leonardo
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.leonardo import PROVIDER
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio
SOURCE = normalise_source(png(64, 64))
KINO, LUCID = "kino-xl", "lucid-origin"


@pytest.fixture
def leonardo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Leonardo]:
    monkeypatch.setattr("atelier.providers.vendors.leonardo.jobs.POLL_INTERVAL", 0.01)
    yield from served(Leonardo())


@pytest.fixture
def with_leonardo(environ: Environ, leonardo: Leonardo) -> Environ:
    environ |= {"LEONARDO_API_KEY": leonardo.key, "LEONARDO_BASE_URL": leonardo.url}
    return environ


def order(leonardo: Leonardo) -> dict[str, Any]:
    """The body of the one request that is billed."""
    (paid,) = [r for r in leonardo.requests if r.method == "POST" and not r.path.startswith(leonardo.free)]
    return paid.json


async def test_a_source_is_uploaded_without_the_key_and_a_higher_strength_keeps_less(
    with_leonardo: Environ, leonardo: Leonardo
) -> None:
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model=KINO, sources=(SOURCE,), strength=0.3)
    async with open_pipeline(PROVIDER, with_leonardo) as pipeline:
        await pipeline.run(request)
    sent = [r.path.split("/")[-1] for r in leonardo.requests if r.method == "POST"]
    assert sent == ["pricing-calculator", "init-image", "init-1", "generations"]
    body = order(leonardo)
    assert leonardo.uploads[body["init_image_id"]] == SOURCE.image_bytes
    assert body["init_strength"] == 0.7


@pytest.mark.parametrize(("strength", "word"), [(None, "High"), (0.5, "Mid"), (0.9, "Low")])
async def test_lucid_takes_a_source_as_a_reference(
    with_leonardo: Environ, leonardo: Leonardo, strength: float | None, word: str
) -> None:
    asked: dict[str, Any] = {"sources": (SOURCE,), "strength": strength, "options": {"reference": "style"}}
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model=LUCID, **asked)
    async with open_pipeline(PROVIDER, with_leonardo) as pipeline:
        await pipeline.run(request)
    (guide,) = order(leonardo)["controlnets"]
    assert (guide["preprocessorId"], guide["initImageType"], guide["strengthType"]) == (431, "UPLOADED", word)


async def test_the_white_part_of_a_mask_is_painted_on_a_canvas(with_leonardo: Environ, leonardo: Leonardo) -> None:
    half = Image.new("L", (64, 64), 0)
    half.paste(255, (0, 0, 32, 64))
    out = io.BytesIO()
    half.save(out, "PNG")
    mask = normalise_mask(out.getvalue())
    request = ImageRequest(operation=Operation.INPAINT, prompt="a hat", model=KINO, sources=(SOURCE,), mask=mask)
    async with open_pipeline(PROVIDER, with_leonardo) as pipeline:
        await pipeline.run(request)
    body = order(leonardo)
    assert (body["canvasRequestType"], body["width"], body["height"]) == ("INPAINT", 64, 64)
    with Image.open(io.BytesIO(leonardo.uploads[body["canvasMaskId"]])) as sent:
        assert sent.convert("L").getpixel((5, 5)) == 255
        assert sent.convert("L").getpixel((60, 5)) == 0


def test_a_canvas_of_an_odd_size_is_refused_before_it_is_uploaded() -> None:
    odd, mask = normalise_source(png(65, 64)), normalise_mask(png(65, 64, "white", "L"))
    request = ImageRequest(operation=Operation.INPAINT, prompt="a hat", model=KINO, sources=(odd,), mask=mask)
    with pytest.raises(ImageError) as caught:
        open_pipeline(PROVIDER, {}).prepare(request)
    assert "multiple of 8" in caught.value.message


async def test_an_image_that_leonardo_made_is_named_and_not_uploaded(
    with_leonardo: Environ, leonardo: Leonardo, pipeline: Callable[[], Pipeline]
) -> None:
    async with ImageService(pipeline()) as service:
        made = await service.submit(ImageRequest(prompt="a fox", model=KINO))
        assert isinstance(made, ImageResult)
        assert made.images[0].stored
        found = await service.pipeline.sources.read(made.images[0].stored.id)
        request = ImageRequest(
            operation=Operation.UPSCALE, model="leonardo-universal-upscaler", sources=(found.picture,),
            origin=found.provider, vendor_image=found.vendor_image,
        )  # fmt: skip
        upscaled = await service.submit(request)
    assert isinstance(upscaled, ImageResult)
    assert found.vendor_image == "image-2"
    assert leonardo.uploads == {}
    assert next(r.json for r in leonardo.requests if "upscaler" in r.path) == {"generatedImageId": "image-2"}
    assert upscaled.actual_usd == Decimal("0.0147")


async def test_a_partners_model_goes_to_the_second_api_with_every_source(
    with_leonardo: Environ, leonardo: Leonardo
) -> None:
    leonardo.flat = True
    request = ImageRequest(
        operation=Operation.EDIT, prompt="both", model="leonardo/gpt-image-2", sources=(SOURCE, SOURCE), quality="low"
    )
    async with open_pipeline(PROVIDER, with_leonardo) as pipeline:
        result = await pipeline.run(request)
    body = order(leonardo)
    assert (body["model"], body["public"], body["parameters"]["quantity"]) == ("gpt-image-2", False, 1)
    assert len(body["parameters"]["guidances"]["image_reference"]) == len(leonardo.uploads) == 2
    assert result.actual_usd == Decimal("0.0294")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("leonardo/b24e16ff-06e3-43eb-8d33-4416c2d75876", "/v1/generations"),
        ("leonardo/krea-2-turbo", "/v2/generations"),
    ],
)
def test_any_model_of_the_vendor_can_be_named(name: str, path: str) -> None:
    prepared = open_pipeline(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model=name))
    assert prepared.url.path.endswith(path)
    assert name.partition("/")[2] in prepared.content.decode()


async def test_a_price_is_asked_for_where_the_calculator_knows_the_model(
    with_leonardo: Environ, leonardo: Leonardo
) -> None:
    async with open_pipeline(PROVIDER, with_leonardo) as pipeline:
        priced = [
            await pipeline.with_quote(pipeline.admit(ImageRequest(prompt="a fox", model=model, count=6)))
            for model in ("phoenix-1.0", LUCID)
        ]
        leonardo.credits = True
        in_credits = await pipeline.with_quote(pipeline.admit(ImageRequest(prompt="a fox", model=KINO)))
    first, unknown = (each.estimate for each in priced)
    assert first
    assert (first.total_usd, first.basis, first.source) == (
        Decimal("0.0882"),
        "quoted",
        "Leonardo.Ai, for this request",
    )
    assert unknown is None
    assert in_credits.estimate is None
    assert leonardo.billed == []


async def test_a_cap_holds_for_a_price_that_was_asked_for(
    with_leonardo: Environ, leonardo: Leonardo, pipeline: Callable[[], Pipeline]
) -> None:
    with_leonardo["ATELIER_BUDGET_PER_CALL"] = "0.05"
    async with ImageService(pipeline()) as service:
        with pytest.raises(ImageError) as caught:
            await service.submit(ImageRequest(prompt="a fox", model="phoenix-1.0", count=4))
        made = await service.submit(ImageRequest(prompt="a fox", model="phoenix-1.0", count=3))
    assert caught.value.reason is Reason.BUDGET_EXCEEDED
    assert isinstance(made, ImageResult)
    assert (made.estimated_usd, made.actual_usd) == (Decimal("0.0441"), Decimal("0.0441"))
    assert len(leonardo.billed) == 1


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("PROMPT_MODERATION_BLOCKED", Reason.CONTENT_POLICY),
        ("EMPTY", Reason.CONTENT_POLICY),
        ("INTERNAL", Reason.PROVIDER_UNAVAILABLE),
    ],
)
async def test_a_job_without_images_is_blocked_or_failed_and_not_repeated(
    with_leonardo: Environ, leonardo: Leonardo, failure: str, reason: Reason
) -> None:
    leonardo.failure = failure
    async with open_pipeline(PROVIDER, with_leonardo) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="leonardo"))
    assert caught.value.reason is reason
    assert caught.value.facts["cost_usd"] == Decimal("0.0147")
    assert len(leonardo.billed) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (emulated.ARRAY, Reason.INVALID_REQUEST),
        (
            Answer(200, {"error": "Invalid response from authorization hook", "code": "unexpected"}),
            Reason.AUTHENTICATION,
        ),
        (emulated.trouble(400, "Not enough API credits", "unexpected"), Reason.QUOTA_EXCEEDED),
    ],
)
async def test_an_error_may_be_an_array_and_may_come_as_a_success(
    with_leonardo: Environ, leonardo: Leonardo, fault: Answer, reason: Reason
) -> None:
    leonardo.next(fault)
    async with open_pipeline(PROVIDER, with_leonardo) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="leonardo"))
    assert (caught.value.reason, caught.value.outcome_unknown) == (reason, False)
