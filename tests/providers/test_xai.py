"""xAI through the real pipeline against the emulator: what is sent, what comes back, what a refusal means."""

from __future__ import annotations

import base64
import io
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
from PIL import Image

from atelier.providers.core import sources
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.masks import mask
from atelier.providers.core.types import ImageRequest, ImageResult, Operation, Picture
from atelier.providers.core.wire import Wire, httpx
from atelier.providers.desk import Desk, Running
from atelier.providers.journal import CallRow, JobRow
from atelier.providers.xai import PROVIDER
from atelier.server.assembly import pipeline_of, storage_of
from atelier.server.journal.jobs import SqliteJournal
from atelier.server.settings import Settings
from tests.conftest import png
from tests.emulators import xai as emulated
from tests.emulators.server import Answer, Drip, Dropped, Emulator, Fault, Slow
from tests.emulators.xai import XAI
from tests.server.process import like_a_host
from tests.vendors import studio

pytestmark = pytest.mark.anyio

Environ = dict[str, str]


def source(colour: str = "navy", width: int = 64, height: int = 48) -> Picture:
    return sources.source(png(width, height, colour))


def edit(*pictures: Picture, **fields: Any) -> ImageRequest:
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model="xai", sources=pictures)
    return replace(request, **fields)


async def refused(request: ImageRequest, environ: Environ, **options: Any) -> ImageError:
    async with studio(PROVIDER, environ, **options) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(request)
    return caught.value


# What is sent


async def test_only_what_was_asked_is_on_the_wire(with_xai: Environ, xai: XAI) -> None:
    async with studio(PROVIDER, with_xai) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="grok"))
    fired = xai.requests[-1]
    assert fired.path == "/v1/images/generations"
    assert fired.json == {"model": "grok-imagine-image-2.0", "prompt": "a fox", "response_format": "b64_json"}
    assert fired.headers["authorization"] == f"Bearer {xai.key}"
    assert fired.headers["content-type"] == "application/json"


async def test_every_option_reaches_the_vendor_in_its_own_words(with_xai: Environ, xai: XAI) -> None:
    request = ImageRequest(
        prompt="a fox",
        model="grok-imagine-image-2.0",
        count=2,
        aspect_ratio="21:9",
        resolution="2k",
        quality="medium",
        options={"user": "someone"},
    )
    async with studio(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(request)
    assert xai.requests[-1].json == {
        "model": "grok-imagine-image-2.0",
        "prompt": "a fox",
        "n": 2,
        "aspect_ratio": "21:9",
        "resolution": "2k",
        "quality": "medium",
        "response_format": "b64_json",
        "user": "someone",
    }
    assert [(i.format, i.picture.width, i.picture.height) for i in result.images] == [("jpeg", 3136, 1344)] * 2
    assert xai.dropped == []


async def test_one_source_picture_is_an_object_at_the_edits_path(with_xai: Environ, xai: XAI) -> None:
    picture = source("red")
    async with studio(PROVIDER, with_xai) as pipeline:
        await pipeline.run(edit(picture, quality="low", aspect_ratio="5:2"))
    fired = xai.requests[-1]
    assert fired.path == "/v1/images/edits"
    assert fired.json == {
        "model": "grok-imagine-image-2.0",
        "prompt": "a hat",
        "image": {
            "url": "data:image/png;base64," + base64.b64encode(picture.image_bytes).decode(),
            "type": "image_url",
        },
        "aspect_ratio": "5:2",
        "quality": "low",
        "response_format": "b64_json",
    }


async def test_several_source_pictures_are_a_list_in_order(with_xai: Environ, xai: XAI) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
    five = [sources.source(png(8, 8, colour)) for colour in colours]
    async with studio(PROVIDER, with_xai) as pipeline:
        await pipeline.run(edit(*five))
    assert xai.requests[-1].path == "/v1/images/edits"
    assert "image" not in xai.requests[-1].json
    assert [image.convert("RGB").getpixel((4, 4)) for image in xai.sources] == colours


async def test_a_source_picture_never_goes_where_it_would_be_dropped(with_xai: Environ, xai: XAI) -> None:
    async with studio(PROVIDER, with_xai) as pipeline:
        await pipeline.run(edit(source(), operation=Operation.GENERATE))
    assert xai.requests[-1].path == "/v1/images/edits"
    assert xai.dropped == []


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
async def test_the_stated_type_of_a_source_is_that_of_its_bytes(with_xai: Environ, xai: XAI, format: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "navy").save(out, format)
    async with studio(PROVIDER, with_xai) as pipeline:
        await pipeline.run(edit(sources.source(out.getvalue())))
    assert xai.requests[-1].json["image"]["url"].startswith(f"data:image/{format.lower()};base64,")


@pytest.mark.parametrize(
    "request_", [ImageRequest(prompt="a fox", model="xai", count=3, resolution="2k"), edit(source())]
)
async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(
    with_xai: Environ, xai: XAI, request_: ImageRequest
) -> None:
    async with studio(PROVIDER, with_xai) as pipeline:
        prepared = pipeline.prepare(request_)
        await pipeline.run(request_)
    fired = xai.requests[-1]
    assert (prepared.url.path, prepared.content) == (fired.path, fired.body)
    assert xai.key not in repr(prepared.headers) + prepared.content.decode()
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value


async def test_preparing_needs_no_key_and_names_the_vendors_own_host() -> None:
    pipeline = studio(PROVIDER, {})
    assert str(pipeline.prepare(edit(source())).url) == "https://api.x.ai/v1/images/edits"
    made = pipeline.prepare(ImageRequest(prompt="a fox", model="xai"))
    assert str(made.url) == "https://api.x.ai/v1/images/generations"


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
        (edit(source(), mask=mask(png(64, 48, 255, "L"))), Reason.UNSUPPORTED_OPTION, "mask"),
        (edit(source(), strength=0.5), Reason.UNSUPPORTED_OPTION, "strength"),
        (edit(source(), operation=Operation.UPSCALE), Reason.UNSUPPORTED_OPERATION, "upscale"),
        (edit(source(), operation=Operation.VARIATION), Reason.UNSUPPORTED_OPERATION, "variation"),
        (edit(), Reason.INVALID_REQUEST, "picture"),
        (edit(sources.source(GIF)), Reason.INVALID_REQUEST, "GIF"),
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
        ({"mask": mask(png(64, 48, 255, "L"))}, Reason.UNSUPPORTED_OPTION, "mask"),
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
    prepared = studio(PROVIDER, {}).prepare(request)
    assert b'"quality":"ultra"' in prepared.content
    assert b'"thinking":"high"' in prepared.content


# Lifecycle


@pytest.mark.parametrize("model", ["grok-2-image", "grok-2-image-1212"])
async def test_a_retired_model_is_refused_with_its_successor(environ: Environ, model: str) -> None:
    error = await refused(ImageRequest(prompt="a fox", model=model), environ)
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
    async with studio(PROVIDER, with_xai) as pipeline:
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
    async with studio(PROVIDER, with_xai) as pipeline:
        dated = await pipeline.run(ImageRequest(prompt="a fox", model="grok-imagine-image-2026-03-02"))
        bare = await pipeline.run(ImageRequest(prompt="a fox", model="grok-imagine-image"))
    assert [request.json["model"] for request in xai.requests] == [dated.model, bare.model]
    assert (dated.model, bare.model) == ("grok-imagine-image-2026-03-02", "grok-imagine-image")
    for result in (dated, bare):
        assert result.warnings == ()
        assert "served_model" not in result.details


# What comes back


async def test_the_cost_is_exact_and_the_request_id_is_told(with_xai: Environ, xai: XAI) -> None:
    async with studio(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(edit(source(), source(), quality="medium", resolution="2k", count=3))
        small = await pipeline.run(ImageRequest(prompt="a fox", model="grok-imagine-image"))
    assert result.actual_usd == Decimal("0.26")  # three at 0.08 and two sources at 0.01
    assert small.actual_usd == Decimal("0.02")
    assert result.details["request_id"] == "req_emulated_1"
    assert result.images[0].prompt_used is None  # the vendor sends an empty word


async def test_the_smallest_tick_is_not_rounded(with_xai: Environ, xai: XAI) -> None:
    item = {"b64_json": base64.b64encode(png(8, 8)).decode()}
    body = {"model": "grok-imagine-image-2.0", "data": [item], "usage": {"cost_in_usd_ticks": 12_345_678_901_671}}
    xai.next(Answer(200, body), Answer(200, {"data": [{**item, "revised_prompt": "a red fox"}]}))
    async with studio(PROVIDER, with_xai) as pipeline:
        exact = await pipeline.run(ImageRequest(prompt="a fox", model="xai"))
        silent = await pipeline.run(ImageRequest(prompt="a fox", model="xai"))
    assert exact.actual_usd == Decimal("1234.5678901671")
    assert exact.images[0].format == "png"  # looked at, not believed
    assert (silent.actual_usd, silent.images[0].prompt_used, silent.warnings) == (Decimal("0.06"), "a red fox", ())


ODD: tuple[Any, ...] = (None, [], {"odd": 1}, "odd", True, -1, 10**14, 1e300, 10**400, "1e9999999", float("nan"))


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
async def test_what_is_beside_the_point_does_not_cost_the_picture(with_xai: Environ, xai: XAI, odd: Any) -> None:
    item = {"b64_json": base64.b64encode(png(8, 8)).decode(), "revised_prompt": odd}
    for usage in (odd, {"cost_in_usd_ticks": odd}):
        xai.next(Answer(200, {"model": odd, "data": [item, odd], "usage": usage}))
        async with studio(PROVIDER, with_xai) as pipeline:
            result = await pipeline.run(ImageRequest(prompt="a fox", model="xai"))
        assert (len(result.images), result.actual_usd) == (1, Decimal("0.06"))
        xai.next(Answer(400, {"error": "Rejected by content moderation.", "code": odd, "usage": usage}))
        error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai)
        assert (error.reason, error.facts["cost_usd"]) == (Reason.CONTENT_POLICY, None)


@pytest.mark.parametrize("ticks", ["1e-9999", "0." + "3" * 5000, 10**14 - 1])
async def test_a_cost_is_told_in_few_words(with_xai: Environ, xai: XAI, ticks: Any) -> None:
    xai.next(emulated.withheld({"respect_moderation": False}, ticks=ticks))
    assert len((await refused(ImageRequest(prompt="a fox", model="xai"), with_xai)).hint) < 120


async def test_base64_may_come_as_a_data_url(with_xai: Environ, xai: XAI) -> None:
    xai.prefixed = True
    async with studio(PROVIDER, with_xai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="xai"))).images[0].format == "jpeg"


@pytest.mark.parametrize("redirect", [None, "/pictures/{name}"], ids=["direct", "redirected"])
async def test_links_are_followed_without_the_key(with_xai: Environ, xai: XAI, redirect: str | None) -> None:
    xai.always_links, xai.redirect = True, redirect
    async with studio(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="xai", count=2))
    assert [image.format for image in result.images] == ["jpeg", "jpeg"]
    bought, *downloads = xai.requests
    assert bought.headers["authorization"] == f"Bearer {xai.key}"
    assert len(downloads) == (4 if redirect else 2)
    for download in downloads:
        assert xai.key not in repr(download.headers)


async def test_each_of_several_downloads_is_told(with_xai: Environ, xai: XAI) -> None:
    xai.always_links, told = True, list[str]()

    async def tell(message: str) -> None:
        told.append(message)

    async with studio(PROVIDER, with_xai) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="grok", count=3), tell=tell)
    assert told[-3:] == ["Downloading 1 of 3.", "Downloading 2 of 3.", "Downloading 3 of 3."]


async def test_a_broken_delivery_is_fetched_once_more(with_xai: Environ, xai: XAI) -> None:
    xai.always_links = True
    xai.next(None, Answer(200, png(64, 64)[:-20]))
    async with studio(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="grok"))
    assert len(result.images) == 1
    assert [request.method for request in xai.requests] == ["POST", "GET", "GET"]


async def test_the_key_does_not_follow_a_link_to_another_host(with_xai: Environ, xai: XAI) -> None:
    elsewhere = Emulator(xai.app)
    with elsewhere.serving():
        xai.always_links, xai.redirect = True, f"http://localhost:{elsewhere.port}/pictures/{{name}}"
        async with studio(PROVIDER, with_xai) as pipeline:
            assert (await pipeline.run(ImageRequest(prompt="a fox", model="xai"))).images
    (download,) = elsewhere.requests
    assert xai.key not in repr(download.headers)


async def test_a_dead_link_is_a_lost_picture_and_not_a_reason_to_buy_again(with_xai: Environ, xai: XAI) -> None:
    xai.always_links = xai.expired = True
    error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai)
    assert (error.reason, error.retryable, error.outcome_unknown) == (Reason.INVALID_RESPONSE, False, True)
    assert "link to it answered 404" in error.message
    assert [request.path for request in xai.requests] == ["/v1/images/generations", "/links/1.jpeg"]


@pytest.mark.usefixtures("impatient")
async def test_a_download_is_tried_again_but_the_picture_is_bought_once(with_xai: Environ, xai: XAI) -> None:
    xai.always_links = True
    xai.next(None, emulated.OVERLOADED, Dropped())
    async with studio(PROVIDER, with_xai) as pipeline:
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
    async with Desk(pipeline_of(settings, storage_of(settings))) as desk:
        await desk.recover()
        while desk.running:
            await anyio.sleep(0.01)
        journal = desk.pipeline.journal
        assert isinstance(journal, SqliteJournal)
        (row,) = await journal.jobs(10)
        found = await desk.collect(row.id) if row.state == "done" else None
        assert not isinstance(found, Running)
        return row, found, await journal.calls(row.id)


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
    pipeline = studio(PROVIDER, with_xai)
    job = pipeline.admit(ImageRequest(prompt="a fox", model="xai", count=2)).job
    async with httpx.AsyncClient() as client:
        wire = Wire(client, job.endpoint, PROVIDER.explain, note=note)
        await PROVIDER.read(httpx.Response(200, json={"data": data}), job, wire)
        (task,) = notes
        assert inline not in json.dumps(task)
        assert PROVIDER.resume is not None
        reply = await PROVIDER.resume(replace(job, task=json.loads(json.dumps(task))), wire)
    assert len(reply.pictures) == 1
    assert "1 of 2" in reply.warnings[0]


async def test_an_answer_without_links_leaves_no_note(with_xai: Environ, xai: XAI) -> None:
    settings = Settings.from_environ(with_xai)
    async with Desk(pipeline_of(settings, storage_of(settings))) as desk:
        result = await desk.draw(ImageRequest(prompt="a fox", model="xai"))
        (call,) = await desk.pipeline.journal.calls(result.id)
    assert call.task is None


# Moderation, and other ways to come back with less


async def test_what_moderation_let_through_is_delivered_with_a_warning(with_xai: Environ, xai: XAI) -> None:
    xai.withheld = 1
    async with studio(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="xai", count=3, quality="low"))
    assert len(result.images) == 2
    assert result.warnings == ("xAI delivered 2 of 3 pictures; 1 did not pass the vendor's moderation.",)
    assert result.actual_usd == Decimal("0.12")


async def test_a_broken_picture_does_not_take_the_others_with_it(with_xai: Environ, xai: XAI) -> None:
    good = {"b64_json": base64.b64encode(png(8, 8)).decode(), "respect_moderation": True}
    xai.next(Answer(200, {"model": "grok-imagine-image-2.0", "data": [good, {"b64_json": "AAAA"}, {}]}))
    async with studio(PROVIDER, with_xai) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="xai", count=4))
    assert len(result.images) == 1
    assert result.warnings == ("xAI delivered 1 of 4 pictures.",)


async def test_an_unusable_answer_tells_what_it_cost(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.withheld({"b64_json": "AAAA", "respect_moderation": True}, ticks=400_000_000))
    error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai)
    assert (error.reason, error.outcome_unknown) == (Reason.INVALID_RESPONSE, True)
    assert (error.facts["cost_usd"], error.facts["request_id"]) == ("0.04", "req_withheld")


PLACEHOLDER = {"respect_moderation": False, "b64_json": base64.b64encode(png(8, 8, "black")).decode()}


@pytest.mark.parametrize(
    ("fault", "cost", "hint"),
    [
        (emulated.withheld(), None, "may have billed"),
        (emulated.withheld({"respect_moderation": False, "url": ""}), None, "may have billed"),
        (emulated.withheld({"respect_moderation": False}, ticks=600_000_000), "0.06", "billed 0.06 USD"),
        (emulated.withheld(PLACEHOLDER, PLACEHOLDER, ticks=0), "0", "billed 0 USD"),
        (emulated.MODERATED, "0.02", "billed 0.02 USD"),
        (emulated.MODERATED_BY_CODE, "0.02", "billed 0.02 USD"),
        (emulated.MODERATED_FREE, None, "may have billed"),
    ],
)
async def test_every_form_of_moderation_is_a_matter_of_content_and_tells_its_cost(
    with_xai: Environ, xai: XAI, fault: Fault, cost: str | None, hint: str
) -> None:
    xai.next(fault)
    error = await refused(ImageRequest(prompt="a fox in the snow", model="xai", count=2), with_xai)
    assert (error.reason, error.retryable) == (Reason.CONTENT_POLICY, False)
    assert error.facts["cost_usd"] == cost
    assert error.outcome_unknown is (cost is None)  # what it cost is held against the budget until somebody knows
    assert error.facts["request_id"]
    assert hint in error.hint
    assert len(xai.requests) == 1


# Refusals and failures


REFUSALS: list[tuple[Fault, Reason, int]] = [
    (emulated.BAD_KEY, Reason.AUTHENTICATION, 1),
    (emulated.BLOCKED_KEY, Reason.AUTHENTICATION, 1),
    (emulated.nested(401, "unauthenticated:no-credentials", "No credentials."), Reason.AUTHENTICATION, 1),
    (emulated.nested(402, None, "Pay first."), Reason.QUOTA_EXCEEDED, 1),
    (emulated.NO_CREDITS, Reason.QUOTA_EXCEEDED, 1),
    (emulated.SPENT, Reason.QUOTA_EXCEEDED, 1),
    (emulated.trouble(404, "not-found", "The model does not exist."), Reason.UNKNOWN_MODEL, 1),
    (emulated.trouble(400, "400", "Argument not supported: size"), Reason.UNSUPPORTED_OPTION, 1),
    (emulated.trouble(400, emulated.INVALID, "Prompt length is larger than 8000."), Reason.INVALID_REQUEST, 1),
    (emulated.trouble(415, "415", "Expected JSON."), Reason.INVALID_REQUEST, 1),
    (emulated.nested(422, None, "Failed to deserialize."), Reason.INVALID_REQUEST, 1),
    (Answer(422, b"Failed to deserialize the JSON body", {"content-type": "text/plain"}), Reason.INVALID_REQUEST, 1),
    (Answer(400, {"error": "Failed to read request body: length limit exceeded"}), Reason.INVALID_REQUEST, 1),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, 1),
    (Answer(200, b"[]"), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"respect_moderation": True}), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"respect_moderation": True, "b64_json": "AAAA"}), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"b64_json": "!!!!"}, {"respect_moderation": False}), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"url": "http://127.0.0.1:9/a.jpeg"}), Reason.INVALID_RESPONSE, 1),
    (emulated.withheld({"url": "file:///etc/hostname"}), Reason.INVALID_RESPONSE, 1),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, 1),
    (Answer(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), Reason.PROVIDER_UNAVAILABLE, 4),
    (emulated.trouble(500, "Internal", "The moderation service failed."), Reason.PROVIDER_UNAVAILABLE, 4),
    (emulated.OVERLOADED, Reason.PROVIDER_UNAVAILABLE, 4),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, 4),
    (Dropped(), Reason.NETWORK_ERROR, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, 1),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("fault", "reason", "requests"), REFUSALS)
async def test_each_failure_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_xai: Environ, xai: XAI, fault: Fault, reason: Reason, requests: int
) -> None:
    xai.next(*[fault] * 10)
    error = await refused(ImageRequest(prompt="a fox in the snow", model="xai"), with_xai)
    assert error.reason is reason
    assert error.message
    assert error.hint
    assert len(xai.requests) == requests


@pytest.mark.usefixtures("impatient")
async def test_after_a_passing_failure_the_picture_comes(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    async with studio(PROVIDER, with_xai) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="xai"))).images
    assert len(xai.requests) == 3


async def test_a_wait_longer_than_the_deadline_is_told_instead_of_waited(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.nested(429, "rate_limit", "Slow down.", retry_after="45"))
    error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai, timeout=5)
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMITED, 45)
    assert len(xai.requests) == 1


@pytest.mark.parametrize("fault", [Slow(1), Drip(every=0.05, length=20)], ids=["silence", "drip"])
async def test_a_timed_out_call_may_be_billed_and_is_not_sent_again(with_xai: Environ, xai: XAI, fault: Fault) -> None:
    xai.next(fault)
    error = await refused(ImageRequest(prompt="a fox", model="xai"), with_xai, timeout=0.3)
    assert error.reason is Reason.TIMEOUT
    assert error.outcome_unknown
    assert len(xai.requests) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_closed_port_is_a_network_error_that_cost_nothing(environ: Environ) -> None:
    environ |= {"XAI_API_KEY": "xai-x", "XAI_BASE_URL": "http://127.0.0.1:9/v1"}
    error = await refused(ImageRequest(prompt="a fox", model="xai"), environ, timeout=3)
    assert error.reason is Reason.NETWORK_ERROR
    assert not error.outcome_unknown


async def test_neither_key_nor_prompt_comes_back_in_an_error(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.trouble(400, emulated.INVALID, f"Bad: {xai.key} asked for the secret garden of my aunt"))
    error = await refused(ImageRequest(prompt="the secret garden of my aunt", model="xai"), with_xai)
    told = f"{error!r} {error.message} {error.hint} {error.facts}"
    assert xai.key not in told
    assert "secret garden" not in told
    assert "Bad:" in told


async def test_the_vendors_words_are_quoted_in_either_shape(with_xai: Environ, xai: XAI) -> None:
    xai.next(emulated.trouble(400, "invalid-argument", "No."), emulated.nested(400, None, "Nor this."))
    request = ImageRequest(prompt="a fox", model="xai")
    flat, deep = await refused(request, with_xai), await refused(request, with_xai)
    assert flat.message == "xAI answered 400: “invalid-argument: No.”"
    assert deep.message == "xAI answered 400: “Nor this.”"
    assert (flat.facts["code"], flat.facts["request_id"]) == ("invalid-argument", "req_trouble")
