"""What is special to Replicate: models that pass through by their schema, uploads, and cancelled predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.jobs.service import ImageService
from atelier.providers.jobs.waiter import JobHandle
from atelier.providers.testing.emulators import replicate_rules as emulated
from atelier.providers.testing.emulators.replicate import Replicate
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer
from atelier.providers.vendors.replicate import PROVIDER, adapter, predictions
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

SOURCE = normalise_source(png(64, 64, "navy"))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    monkeypatch.setattr(predictions, "POLL_INTERVAL", 0.01)
    yield from served(Replicate())


@pytest.fixture
def with_replicate(host: Replicate, environ: Environ) -> Environ:
    return {**environ, "REPLICATE_API_TOKEN": host.key, "REPLICATE_BASE_URL": host.url}


async def run(environ: Environ, **fields: Any) -> Any:
    async with open_pipeline(PROVIDER, environ, timeout=8.0) as pipeline:
        return await pipeline.run(replace(ImageRequest(prompt="a fox", model="replicate"), **fields))


async def refused(environ: Environ, **fields: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await run(environ, **fields)
    return caught.value


def ordered(host: Replicate) -> list[tuple[str, dict[str, Any]]]:
    """Path and body of each prediction that was asked for."""
    return [(each.path, each.json) for each in host.requests if each.path.endswith("/predictions")]


@pytest.mark.parametrize("version", ["", f":{emulated.VERSION}"])
async def test_a_model_that_is_not_listed_passes_through_with_the_fields_of_its_schema(
    with_replicate: Environ, host: Replicate, version: str
) -> None:
    over, id = normalise_mask(png(64, 64, "white", "L")), f"owner/painter{version}"
    fields = {"sources": (SOURCE, SOURCE), "mask": over, "options": {"steps": 4}}
    result = await run(with_replicate, model=f"replicate/{id}", operation=Operation.INPAINT, **fields)
    ((path, body),) = ordered(host)
    assert (path, body["version"], result.actual_usd) == ("/v1/predictions", id, None)
    assert body["input"].keys() == {"prompt", "steps", "input_images", "mask"}
    assert len(body["input"]["input_images"]) == 2


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ({"model": "replicate/owner/painter", "options": {"guidance": 4}}, "guidance"),
        ({"model": "replicate/owner/painter", "aspect_ratio": "16:9"}, "aspect_ratio"),
        ({"model": "replicate/owner/painter", "count": 2}, "num_outputs"),
        (
            {
                "model": "replicate/black-forest-labs/flux-1.1-pro:abc",
                "operation": Operation.EDIT,
                "sources": (SOURCE, SOURCE),
            },
            "images",
        ),
    ],
)
async def test_what_its_schema_lacks_is_refused_before_it_is_paid_for(
    with_replicate: Environ, host: Replicate, fields: dict[str, Any], option: str
) -> None:
    error = await refused(with_replicate, **fields)
    assert (error.reason, error.facts["option"], error.outcome_unknown) == (Reason.UNSUPPORTED_OPTION, option, False)
    assert ordered(host) == []


async def test_a_model_that_does_not_exist_is_unknown_and_nothing_is_paid(
    with_replicate: Environ, host: Replicate
) -> None:
    error = await refused(with_replicate, model="replicate/owner/no-such")
    assert (error.reason, ordered(host)) == (Reason.UNKNOWN_MODEL, [])


async def test_a_large_source_is_uploaded_and_a_small_one_is_not(
    with_replicate: Environ, host: Replicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(with_replicate, operation=Operation.EDIT, sources=(SOURCE,), strength=0.3)
    monkeypatch.setattr(adapter, "MAX_INLINE", -100)
    await run(with_replicate, operation=Operation.EDIT, sources=(SOURCE,))
    (_, small), (_, large) = ordered(host)
    assert (small["input"]["image"][:5], small["input"]["prompt_strength"]) == ("data:", 0.3)
    assert large["input"]["image"].startswith(f"{host.url}/v1/files/")
    assert list(host.uploads.values()) == [SOURCE.image_bytes]


async def test_a_size_is_a_custom_ratio(with_replicate: Environ, host: Replicate) -> None:
    await run(with_replicate, model="black-forest-labs/flux-1.1-pro", size="512x768", output_format="jpeg")
    ((_, body),) = ordered(host)
    sent = {"prompt": "a fox", "aspect_ratio": "custom", "width": 512, "height": 768, "output_format": "jpg"}
    assert body == {"input": sent}


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        ({"status": "failed", "error": "CUDA out of memory"}, Reason.INVALID_RESPONSE),
        ({"status": "failed", "error": "NSFW content detected."}, Reason.CONTENT_POLICY),
        ({"status": "succeeded", "output": None, "data_removed": True}, Reason.INVALID_RESPONSE),
        ({"status": "aborted", "metrics": {"predict_time": 3.2}}, Reason.INVALID_REQUEST),
    ],
    ids=["an error", "moderation", "too late", "aborted"],
)
async def test_a_prediction_without_an_image_may_have_been_billed(
    with_replicate: Environ, host: Replicate, ended: dict[str, Any], reason: Reason
) -> None:
    host.polls.next(Answer(200, {"id": "c0ff", **ended}))
    error = await refused(with_replicate)
    assert (error.reason, error.outcome_unknown, error.collectable) == (reason, True, False)


async def test_a_prediction_that_is_cancelled_before_it_starts_costs_nothing(
    with_replicate: Environ, host: Replicate
) -> None:
    host.never_starts = True
    async with ImageService(open_pipeline(PROVIDER, with_replicate, timeout=8.0), wait=0.1) as service:
        handle = await service.submit(ImageRequest(prompt="a fox", model="replicate"))
        assert isinstance(handle, JobHandle)
        job = service._runner.get(handle.id)  # pyright: ignore[reportPrivateUsage] - its money is not public
        assert job is not None
        with anyio.fail_after(10):
            while not host.polls.requests:
                await anyio.sleep(0.01)
            service.cancel(handle.id)
            await job.done.wait()
    assert [run.status for run in host.runs.values()] == ["canceled"]
    assert job.error is not None
    assert (job.error.facts["code"], job.prepared.spent_usd) == ("cancelled", Decimal(0))
