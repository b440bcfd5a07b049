"""What is special to fal: its queue, blacked-out pictures, endpoints that pass through, and cancelled requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.sources import normalise_source
from atelier.providers.jobs.service import ImageService
from atelier.providers.jobs.waiter import JobHandle
from atelier.providers.testing.emulators import fal as emulated
from atelier.providers.testing.emulators.fal import Fal
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.fal import PROVIDER, requests
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


@pytest.fixture
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fal]:
    monkeypatch.setattr(requests, "POLL_INTERVAL", 0.01)
    yield from served(Fal())


@pytest.fixture
def with_fal(fal: Fal, environ: Environ) -> Environ:
    return {**environ, "FAL_KEY": fal.key, "FAL_BASE_URL": fal.url}


async def body(environ: Environ, fal: Fal, model: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """Send a request; return the path and the body of the submission."""
    async with open_pipeline(PROVIDER, environ) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model=model, **fields))
    return fal.requests[0].path, fal.requests[0].json


async def refused(environ: Environ, **fields: Any) -> ImageError:
    request = replace(ImageRequest(prompt="a fox"), **fields)
    async with open_pipeline(PROVIDER, environ) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(request)
    return caught.value


def edited(**fields: Any) -> dict[str, Any]:
    return {"operation": Operation.EDIT, "sources": (normalise_source(png(64, 64, "navy")),), **fields}


async def test_sources_go_to_the_endpoint_that_edits(with_fal: Environ, fal: Fal) -> None:
    path, sent = await body(with_fal, fal, "fal", **edited(strength=0.4))
    assert path == "/fal-ai/flux/dev/image-to-image"
    assert (sent["strength"], sent["image_url"][:22]) == (0.4, "data:image/png;base64,")


async def test_an_id_and_a_secret_are_joined_as_the_vendors_client_joins_them(with_fal: Environ, fal: Fal) -> None:
    id, _, secret = with_fal.pop("FAL_KEY").partition(":")
    error = await refused(with_fal | {"FAL_KEY_ID": id}, model="fal")
    assert (error.reason, "FAL_KEY_SECRET" in error.message, fal.requests) == (Reason.AUTHENTICATION, True, [])
    await body(with_fal | {"FAL_KEY_ID": id, "FAL_KEY_SECRET": secret}, fal, "fal")
    assert fal.requests[0].headers["authorization"] == f"Key {fal.key}"


async def test_several_sources_are_a_list(with_fal: Environ, fal: Fal) -> None:
    path, sent = await body(with_fal, fal, "fal-ai/nano-banana-2", resolution="2k", **edited())
    assert (path, sent["resolution"], len(sent["image_urls"])) == ("/fal-ai/nano-banana-2/edit", "2K", 1)


async def test_an_endpoint_that_is_not_listed_passes_through_with_its_own_fields(with_fal: Environ, fal: Fal) -> None:
    options = {"upscale_factor": 4}
    path, sent = await body(with_fal, fal, "fal/fal-ai/clarity-upscaler", options=options, **edited())
    assert path == "/fal-ai/clarity-upscaler"
    assert sent.keys() == {"prompt", "image_url", "upscale_factor"}


@pytest.mark.parametrize(
    ("model", "fields", "option"),
    [
        ("fal/owner/name", {"size": "512x512"}, "size"),
        ("fal/owner/name", {"aspect_ratio": "16:9"}, "aspect_ratio"),
        ("fal/owner/name", edited(), "images"),
    ],
)
async def test_what_an_endpoint_that_is_not_listed_might_ignore_is_refused(
    with_fal: Environ, fal: Fal, model: str, fields: dict[str, Any], option: str
) -> None:
    error = await refused(with_fal, model=model, **fields)
    assert (error.reason, error.facts["option"]) == (Reason.UNSUPPORTED_OPTION, option)
    assert fal.requests == []


async def test_a_picture_that_was_blacked_out_is_a_refusal_that_may_be_billed(with_fal: Environ, fal: Fal) -> None:
    error = await refused(with_fal, model="fal", prompt=emulated.FLAGGED)
    assert (error.reason, error.outcome_unknown) == (Reason.CONTENT_POLICY, True)
    assert [request.path for request in fal.requests if request.path.startswith("/files/")] == []


async def test_one_of_two_that_was_blacked_out_does_not_cost_the_other(with_fal: Environ, fal: Fal) -> None:
    path = "/fal-ai/flux/requests/x"
    queued = {name: f"{fal.polls.url}{path}{end}" for name, end in (("status_url", "/status"), ("response_url", ""))}
    fal.next(Answer(200, {"request_id": "x", **queued}))
    fal.files["a.jpeg"] = png(8, 8, "teal")
    images = [{"url": f"{fal.url}/files/a.jpeg"}, {"url": f"{fal.url}/files/b.jpeg"}]
    fal.polls.next(
        Answer(200, {"status": "COMPLETED"}),
        Answer(200, {"images": images, "has_nsfw_concepts": [False, True]}),
    )
    async with open_pipeline(PROVIDER, with_fal) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="fal", count=2))
    assert len(result.images) == 1
    assert any("blacked out 1 of 2" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("status", "reason", "unknown"),
    [
        (emulated.FAILED, Reason.PROVIDER_UNAVAILABLE, False),
        (
            Answer(200, {"status": "COMPLETED", "error": "No.", "error_type": "content_policy_violation"}),
            Reason.CONTENT_POLICY,
            True,
        ),
        (Answer(200, {"status": "COMPLETED", "error": "Odd."}), Reason.INVALID_RESPONSE, True),
    ],
    ids=["the vendor's machine", "moderation", "anything else"],
)
async def test_a_failure_in_the_status_has_its_reason(
    with_fal: Environ, fal: Fal, status: Answer, reason: Reason, unknown: bool
) -> None:
    fal.polls.next(status)
    error = await refused(with_fal, model="fal")
    assert (error.reason, error.outcome_unknown) == (reason, unknown)


async def test_a_result_that_is_gone_may_have_been_billed(with_fal: Environ, fal: Fal) -> None:
    gone = emulated.trouble(404, "Request not found")
    fal.polls.next(Answer(200, {"status": "COMPLETED"}), gone, gone)
    error = await refused(with_fal, model="fal")
    assert (error.outcome_unknown, error.collectable) == (True, False)


@pytest.mark.parametrize(
    "first", [emulated.trouble(404, "Request not found"), Answer(200, b"<html>")], ids=["not found yet", "a page"]
)
async def test_a_result_is_read_once_more(with_fal: Environ, fal: Fal, first: Answer) -> None:
    fal.polls.next(None, None, None, first)
    async with open_pipeline(PROVIDER, with_fal) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="fal"))).images
    assert len([each for each in fal.requests if each.method == "POST"]) == 1


async def test_an_address_that_answers_at_once_delivers_its_images(with_fal: Environ, fal: Fal) -> None:
    fal.files["a.jpeg"] = png(8, 8, "teal")
    fal.next(Answer(200, {"images": [{"url": f"{fal.url}/files/a.jpeg"}]}))
    async with open_pipeline(PROVIDER, with_fal) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="fal"))).images


async def test_an_image_in_a_field_of_the_endpoints_own_is_delivered(with_fal: Environ, fal: Fal) -> None:
    fal.files["a.png"] = png(8, 8, "teal")
    result = Answer(200, {"seed": 7, "output": {"url": f"{fal.url}/files/a.png", "content_type": "image/png"}})
    fal.polls.next(None, None, None, result)
    async with open_pipeline(PROVIDER, with_fal) as pipeline:
        (image,) = (await pipeline.run(ImageRequest(prompt="a fox", model="fal"))).images
    assert (image.picture.width, image.picture.seed) == (8, 7)


async def test_several_pictures_are_one_request_with_their_price(with_fal: Environ, fal: Fal) -> None:
    async with open_pipeline(PROVIDER, with_fal) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="fal", count=3, size="512x512"))
    assert (len(result.images), result.actual_usd) == (3, Decimal("0.075"))
    assert result.details["billable_units"] == "3"


async def test_a_request_that_is_cancelled_in_the_queue_is_dropped_at_fal_and_costs_nothing(
    with_fal: Environ, fal: Fal
) -> None:
    fal.stays_queued = True
    async with ImageService(open_pipeline(PROVIDER, with_fal, timeout=8.0), wait=0.1) as service:
        handle = await service.submit(ImageRequest(prompt="a fox", model="fal"))
        assert isinstance(handle, JobHandle)
        job = service._runner.get(handle.id)  # pyright: ignore[reportPrivateUsage] - its money is not public
        assert job is not None
        with anyio.fail_after(10):
            while not fal.polls.requests:
                await anyio.sleep(0.01)
            service.cancel(handle.id)
            await job.done.wait()
    assert [task.cancelled for task in fal.tasks.values()] == [True]
    assert job.error is not None
    assert (job.error.facts["code"], job.prepared.spent_usd) == ("cancelled", Decimal(0))
