"""Links to xAI's pictures: followed without the key, once more when broken, and again after a crash."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.providers.pipeline.job_store import CallRow, JobRow
from atelier.providers.testing.emulators import xai_rules as emulated
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Answer, Dropped, Emulator, Slow
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.xai import PROVIDER
from atelier.server.composition import pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import Environ, png
from tests.exhaustive import exhaustive
from tests.providers.vendors.xai.conftest import refused
from tests.server.process import like_a_host
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("redirect", [None, "/pictures/{name}"], ids=["direct", "redirected"])
async def test_links_are_followed_without_the_key(with_xai: Environ, xai: XAI, redirect: str | None) -> None:
    xai.always_links, xai.redirect = True, redirect
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="xai", count=2))
    assert [image.format for image in result.images] == ["jpeg", "jpeg"]
    bought, *downloads = xai.requests
    assert bought.headers["authorization"] == f"Bearer {xai.key}"
    assert len(downloads) == (4 if redirect else 2)
    for download in downloads:
        assert xai.key not in repr(download.headers)


async def test_each_of_several_downloads_is_told(with_xai: Environ, xai: XAI) -> None:
    xai.always_links, told = True, list[str]()

    async def on_progress(message: str) -> None:
        told.append(message)

    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="grok", count=3), on_progress=on_progress)
    assert told[-3:] == ["Downloading 1 of 3.", "Downloading 2 of 3.", "Downloading 3 of 3."]


async def test_a_broken_delivery_is_fetched_once_more(with_xai: Environ, xai: XAI) -> None:
    xai.always_links = True
    xai.next(None, Answer(200, png(64, 64)[:-20]))
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="grok"))
    assert len(result.images) == 1
    assert [request.method for request in xai.requests] == ["POST", "GET", "GET"]


async def test_the_key_does_not_follow_a_link_to_another_host(with_xai: Environ, xai: XAI) -> None:
    elsewhere = Emulator(xai.app)
    with elsewhere.serving():
        xai.always_links, xai.redirect = True, f"http://localhost:{elsewhere.port}/pictures/{{name}}"
        async with open_pipeline(PROVIDER, with_xai) as pipeline:
            assert (await pipeline.run(ImageRequest(prompt="a fox", model="xai"))).images
    (download,) = elsewhere.requests
    assert xai.key not in repr(download.headers)


async def test_a_dead_link_is_a_lost_picture_and_not_a_reason_to_buy_again(with_xai: Environ, xai: XAI) -> None:
    xai.always_links = xai.expired = True
    error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai)
    assert (error.reason, error.retryable, error.outcome_unknown) == (Reason.INVALID_RESPONSE, False, True)
    assert "link to it answered 404" in error.message
    assert [request.path for request in xai.requests] == ["/v1/images/generations", "/links/1.jpeg", "/links/1.jpeg"]


@pytest.mark.usefixtures("impatient")
async def test_a_download_is_tried_again_but_the_picture_is_bought_once(with_xai: Environ, xai: XAI) -> None:
    xai.always_links = True
    xai.next(None, emulated.OVERLOADED, Dropped())
    async with open_pipeline(PROVIDER, with_xai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="xai"))).images
    assert [request.method for request in xai.requests] == ["POST", "GET", "GET", "GET"]


def killed_while_it_downloads(environ: Environ, xai: XAI, count: int) -> None:
    """A process that has bought pictures, hangs at the first link and is killed."""
    xai.always_links = True
    xai.next(None, Slow(60))
    command = [sys.executable, "-m", "atelier.server", "generate", "a fox", "--model", "xai", "--n", str(count)]
    with subprocess.Popen(command, env=like_a_host(environ), stdout=subprocess.DEVNULL) as process:
        while len(xai.requests) < 2:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()


async def collected(environ: Environ) -> tuple[JobRow, ImageResult | None, list[CallRow]]:
    """What the next start makes of it."""
    settings = Settings.from_environ(environ)
    async with ImageService(pipeline_of(settings, storage_of(settings))) as service:
        await service.recover()
        while service.active_jobs:
            await anyio.sleep(0.01)
        store: Any = service.pipeline.store
        (row,) = await store.list_jobs(10)
        found = await service.get_result(row.id) if row.state == "done" else None
        assert not isinstance(found, JobHandle)
        return row, found, await store.list_calls(row.id)


@exhaustive
@pytest.mark.parametrize("count", [1, 3])
async def test_after_a_crash_links_that_live_are_followed_and_nothing_is_bought_again(
    with_xai: Environ, xai: XAI, count: int
) -> None:
    killed_while_it_downloads(with_xai, xai, count)
    _, found, (call,) = await collected(with_xai)
    assert found is not None
    assert [(kept.format, kept.picture.width) for kept in found.images] == [("jpeg", 1024)] * count
    assert found.actual_usd == Decimal("0.04") * count
    assert (call.state, len(call.images)) == ("settled", count)
    assert (call.task or {})["id"] == "req_emulated_1"
    assert [request.method for request in xai.requests].count("POST") == 1


@exhaustive
async def test_after_a_crash_a_dead_link_is_a_lost_picture_that_was_billed(with_xai: Environ, xai: XAI) -> None:
    killed_while_it_downloads(with_xai, xai, 1)
    xai.expired = True
    row, found, (call,) = await collected(with_xai)
    assert (found, call.state, row.reserved_usd) == (None, "settled", Decimal("0.04"))
    assert "link to it answered 404" in row.outcome["message"]


async def test_base64_is_not_written_down_and_its_loss_is_told(with_xai: Environ, xai: XAI) -> None:
    """A host that answers with both: the picture behind the link is all that a restart can have."""
    notes = list[Mapping[str, Any]]()

    async def note(task: Mapping[str, Any]) -> None:
        notes.append(task)

    xai.pictures["1.jpeg"] = emulated.drawn(1.0, "1k")
    inline = base64.b64encode(emulated.drawn(1.0, "1k")).decode()
    data = [{"b64_json": inline}, {"url": f"{xai.root}/links/1.jpeg"}, None]
    pipeline = open_pipeline(PROVIDER, with_xai)
    job = pipeline.admit(ImageRequest(prompt="a fox", model="xai", count=2)).job
    async with httpx.AsyncClient() as client:
        wire = Wire(client, job.endpoint, PROVIDER.explain, save_vendor_task=note)
        await PROVIDER.read(httpx.Response(200, json={"data": data}), job, wire)
        (task,) = notes
        assert inline not in json.dumps(task)
        assert PROVIDER.collect is not None
        reply = await PROVIDER.collect(replace(job, task=json.loads(json.dumps(task))), wire)
    assert len(reply.pictures) == 1
    assert "1 of 2" in reply.warnings[0]


async def test_an_answer_without_links_leaves_no_note(with_xai: Environ, xai: XAI) -> None:
    settings = Settings.from_environ(with_xai)
    async with ImageService(pipeline_of(settings, storage_of(settings))) as service:
        result = await service.submit(ImageRequest(prompt="a fox", model="xai"))
        (call,) = await service.pipeline.store.list_calls(result.id)
    assert call.task is None
