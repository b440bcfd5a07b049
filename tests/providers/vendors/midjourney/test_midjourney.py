"""What is special to Midjourney's resale: four images of a task, two hosts, references, changes by task and place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.sources import normalise_source
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.testing.emulators import midjourney as emulated
from atelier.providers.testing.emulators.midjourney import Midjourney
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.midjourney import PROVIDER
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio
SOURCE = normalise_source(png(64, 64))


@pytest.fixture
def midjourney(monkeypatch: pytest.MonkeyPatch) -> Iterator[Midjourney]:
    monkeypatch.setattr("atelier.providers.vendors.midjourney.tasks.POLL_INTERVAL", 0.01)
    yield from served(Midjourney())


@pytest.fixture
def with_midjourney(environ: Environ, midjourney: Midjourney) -> Environ:
    environ |= {"KIE_API_KEY": midjourney.key, "MIDJOURNEY_BASE_URL": midjourney.url}
    return environ


@pytest.mark.parametrize("text", [False, True])
async def test_a_task_costs_the_same_for_one_image_and_for_four_and_says_where_the_others_are(
    with_midjourney: Environ, midjourney: Midjourney, text: bool
) -> None:
    midjourney.text = text
    async with open_pipeline(PROVIDER, with_midjourney) as pipeline:
        one = await pipeline.run(ImageRequest(prompt="a fox", model="midjourney", quality="relaxed"))
        four = await pipeline.run(ImageRequest(prompt="a fox", model="midjourney", quality="relaxed", count=4))
        six = pipeline.admit(ImageRequest(prompt="a fox", model="midjourney", quality="relaxed", count=6)).estimate
    assert (len(one.images), len(one.details["further_images"])) == (1, 3)
    assert any("made 4 images for one price" in warning for warning in one.warnings)
    assert (len(four.images), four.warnings) == (4, ())
    assert one.actual_usd == four.actual_usd == Decimal("0.015")
    assert six
    assert six.total_usd == Decimal("0.03")


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, "https://api.kie.ai"),
        ({"KIE_API_KEY": "kie-0123456789"}, "https://api.kie.ai"),
        ({"MIDAPI_API_KEY": "mid-0123456789"}, "https://api.midapi.ai"),
        ({"ATELIER_MIDAPI_API_KEY": "mid-0123456789"}, "https://api.midapi.ai"),
        ({"MIDAPI_API_KEY": "mid-0123456789", "MIDJOURNEY_BASE_URL": "http://127.0.0.1:9"}, "http://127.0.0.1:9"),
    ],
)
def test_each_key_is_sent_to_its_own_host(environ: Environ, host: str) -> None:
    prepared = open_pipeline(PROVIDER, environ).prepare(ImageRequest(prompt="a fox", model="midjourney"))
    assert str(prepared.url) == f"{host}/api/v1/mj/generate"


def test_midapi_has_no_upload_so_a_source_is_refused_before_anything_is_sent() -> None:
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model="midjourney", sources=(SOURCE,))
    with pytest.raises(ImageError) as caught:
        open_pipeline(PROVIDER, {"MIDAPI_API_KEY": "mid-0123456789"}).prepare(request)
    assert "KIE_API_KEY" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "mj_img2img"),
        ({"reference": "style"}, "mj_style_reference"),
        ({"reference": "omni", "ow": 200}, "mj_omni_reference"),
    ],
)
async def test_a_source_is_uploaded_and_fetched_by_its_link(
    with_midjourney: Environ, midjourney: Midjourney, options: dict[str, Any], kind: str
) -> None:
    request = ImageRequest(
        operation=Operation.EDIT, prompt="a hat", model="midjourney", sources=(SOURCE,), options=options
    )
    async with open_pipeline(PROVIDER, with_midjourney) as pipeline:
        await pipeline.run(request)
    sent = next(each.json for each in midjourney.requests if each.path.endswith("/generate"))
    assert (sent["taskType"], sent.get("ow")) == (kind, options.get("ow"))
    assert midjourney.uploads[sent["fileUrls"][0].split("/")[-1]] == SOURCE.image_bytes


async def test_an_image_is_upscaled_and_varied_by_its_task_and_place(
    with_midjourney: Environ, midjourney: Midjourney, pipeline: Callable[[], Pipeline]
) -> None:
    async with ImageService(pipeline()) as service:
        made = await service.submit(ImageRequest(prompt="a fox", model="midjourney", count=4))
        assert isinstance(made, ImageResult)
        third = made.images[2].stored
        assert third
        found = await service.pipeline.sources.read(third.id)
        own: dict[str, Any] = {
            "origin": found.provider,
            "vendor_image": found.vendor_image,
            "sources": (found.picture,),
        }
        await service.submit(ImageRequest(operation=Operation.UPSCALE, model="midjourney", **own))
        varied = await service.submit(ImageRequest(operation=Operation.VARIATION, model="midjourney", **own))
    bodies = {each.path.split("/")[-1]: each.json for each in midjourney.requests if "taskId" in str(each.body)}
    assert bodies["generateUpscale"] == {"taskId": "mj_task_1", "imageIndex": 2}
    assert bodies["generateVary"] == {"taskId": "mj_task_1", "imageIndex": 3}
    assert isinstance(varied, ImageResult)
    assert any("counts images from 1 here" in warning for warning in varied.warnings)


def test_an_image_of_another_vendor_is_not_upscaled() -> None:
    request = ImageRequest(operation=Operation.UPSCALE, model="midjourney", sources=(SOURCE,), origin="openai")
    with pytest.raises(ImageError) as caught:
        open_pipeline(PROVIDER, {}).prepare(request)
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize(
    ("fault", "reason", "unknown"),
    [
        (emulated.trouble(402, "Credits insufficient.", 200), Reason.QUOTA_EXCEEDED, False),
        (emulated.trouble(422, "aspectRatio: invalid", 200), Reason.INVALID_REQUEST, False),
        (emulated.trouble(505, "Switched off.", 200), Reason.PROVIDER_UNAVAILABLE, False),
        (emulated.trouble(500, "Server error.", 200), Reason.PROVIDER_UNAVAILABLE, True),
    ],
)
async def test_the_code_in_the_body_of_a_success_decides(
    with_midjourney: Environ, midjourney: Midjourney, fault: Answer, reason: Reason, unknown: bool
) -> None:
    midjourney.next(*[fault] * 9)
    async with open_pipeline(PROVIDER, with_midjourney) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="midjourney"))
    assert (caught.value.reason, caught.value.outcome_unknown) == (reason, unknown)


async def test_a_task_without_a_flag_still_runs(with_midjourney: Environ, midjourney: Midjourney) -> None:
    midjourney.next(None, Answer(200, {"code": 200, "msg": "success", "data": {"successFlag": None}}))
    async with open_pipeline(PROVIDER, with_midjourney) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="midjourney"))).images


@pytest.mark.parametrize(
    ("failure", "reason"),
    [("Banned prompt detected", Reason.CONTENT_POLICY), ("Internal error", Reason.PROVIDER_UNAVAILABLE)],
)
async def test_a_task_that_failed_may_have_been_billed(
    with_midjourney: Environ, midjourney: Midjourney, failure: str, reason: Reason
) -> None:
    midjourney.failure = failure
    async with open_pipeline(PROVIDER, with_midjourney) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="midjourney"))
    assert (caught.value.reason, caught.value.outcome_unknown) == (reason, True)
