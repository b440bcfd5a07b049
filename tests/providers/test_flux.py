"""Flux through the real pipeline against the emulator: what is sent, what comes back, what a refusal means."""

from __future__ import annotations

import base64
import io
import json
import time
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from atelier.providers import flux as vendor
from atelier.providers.catalog import Catalog
from atelier.providers.core.dial import Reach
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.masks import mask as masked
from atelier.providers.core.provider import Job
from atelier.providers.core.retry import ATTEMPTS
from atelier.providers.core.sources import source
from atelier.providers.core.types import ImageRequest, Operation, Picture
from atelier.providers.core.wire import FORGIVEN, Wire, httpx
from atelier.providers.flux import PROVIDER
from tests.conftest import TODAY, png
from tests.emulators import flux as emulated
from tests.emulators.flux import Flux, opened
from tests.emulators.server import Answer, Drip, Dropped, Fault, Received, Slow
from tests.vendors import studio

pytestmark = pytest.mark.anyio

Environ = dict[str, str]
Body = dict[str, Any]

FOX = source(png(320, 256, "orange"))
HEN = source(png(256, 256, "white"))
ERASE, OUTPAINTING = "flux/flux-tools/erase-v1", "flux/flux-tools/outpainting-v1"


@pytest.fixture
def flux(flux: Flux, impatient: None, monkeypatch: pytest.MonkeyPatch) -> Flux:
    """The vendor as new. Its polls and the pauses between tries are cut short, and nothing else."""
    monkeypatch.setattr(vendor, "POLL_EVERY", 0.02)
    return flux


def half_mask() -> Picture:
    """Of the fox's size, white on the left half."""
    white = Image.new("L", (320, 256), 0)
    white.paste(255, (0, 0, 160, 256))
    return masked(_png(white))


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def data(picture: Picture) -> str:
    return base64.b64encode(picture.image_bytes).decode()


async def sent(environ: Environ, flux: Flux, **asked: Any) -> tuple[str, Body]:
    """Path and body of what a request came to, having been carried out without a field lost on the way."""
    async with studio(PROVIDER, environ) as pipeline:
        await pipeline.run(ImageRequest(**asked))
    assert flux.dropped == []
    return flux.requests[0].path, flux.requests[0].json


async def refused(environ: Environ, **asked: Any) -> ImageError:
    wanted: Body = {"prompt": "a fox in the snow", "model": "flux", **asked}
    async with studio(PROVIDER, environ) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(**wanted))
    assert caught.value.message
    assert caught.value.hint
    return caught.value


async def test_only_what_was_asked_is_on_the_wire(with_flux: Environ, flux: Flux) -> None:
    path, body = await sent(with_flux, flux, prompt="a fox", model="flux")
    assert (path, body) == ("/v1/flux-2-pro", {"prompt": "a fox"})


EDIT, FOXES = Operation.EDIT, (FOX, HEN)
OFFSETS = {"left": 64, "bottom": 32}
BODIES: list[tuple[str, Body, Body]] = [
    (
        "flux-2-max",
        {"size": "1536x640", "seed": 7, "output_format": "png", "options": {"disable_pup": True}},
        {"width": 1536, "height": 640, "seed": 7, "output_format": "png", "disable_pup": True},
    ),
    ("flux-2-pro-preview", {"aspect_ratio": "16:9", "resolution": "2k"}, {"width": 2560, "height": 1440}),
    ("flux-2-flex", {"options": {"steps": 20, "guidance": 4.5}}, {"steps": 20, "guidance": 4.5}),
    (
        "flux-2-klein-9b",
        {"operation": EDIT, "sources": FOXES},
        {"input_image": data(FOX), "input_image_2": data(HEN)},
    ),
    ("flux-2-klein-4b", {"resolution": "512"}, {"width": 512, "height": 512}),
    ("flux-3-image", {}, {}),
    (
        "flux-3-image",
        {"operation": EDIT, "sources": FOXES, "aspect_ratio": "auto", "resolution": "4k"},
        {"images": [data(FOX), data(HEN)], "aspect_ratio": "auto", "resolution": "4k"},
    ),
    ("flux-3-image", {"options": {"grounding": False}}, {"grounding": False}),
    (
        "flux-3-image-klein",
        {"aspect_ratio": "7:5", "resolution": "768sq"},
        {"aspect_ratio": "7:5", "resolution": "768sq"},
    ),
    (
        "flux-kontext-max",
        {"operation": EDIT, "sources": FOXES, "aspect_ratio": "9:21", "seed": 0},
        {"input_image": data(FOX), "input_image_2": data(HEN), "aspect_ratio": "9:21", "seed": 0},
    ),
    ("flux-pro-1.1", {"aspect_ratio": "3:2"}, {"width": 1248, "height": 832}),
    ("flux-pro", {"size": "1440x256"}, {"width": 1440, "height": 256}),
    (
        "flux-dev",
        {"operation": Operation.VARIATION, "sources": (FOX,), "options": {"safety_tolerance": 6}},
        {"image_prompt": data(FOX), "safety_tolerance": 6},
    ),
    (
        "flux-pro-1.1-ultra",
        {"operation": Operation.VARIATION, "sources": (FOX,), "strength": 0.7, "aspect_ratio": "21:9"},
        {"image_prompt": data(FOX), "image_prompt_strength": 0.3, "aspect_ratio": "21:9"},
    ),
    (
        "flux-pro-1.0-fill",
        {"operation": Operation.INPAINT, "sources": (FOX,), "mask": half_mask(), "output_format": "webp"},
        {"image": data(FOX), "mask": data(half_mask()), "output_format": "webp"},
    ),
    (
        "flux-pro-1.0-expand",
        {"operation": Operation.OUTPAINT, "sources": (FOX,), "options": OFFSETS},
        {"image": data(FOX), "left": 64, "bottom": 32},
    ),
    (
        OUTPAINTING,
        {"operation": Operation.OUTPAINT, "sources": (FOX,), "options": {**OFFSETS, "mode": "fast"}},
        {
            "input_image": data(FOX),
            "width": 384,
            "height": 288,
            "reference_offset_x": 64,
            "reference_offset_y": 0,
            "mode": "fast",
        },
    ),
    ("flux-pro-1.0-depth", {"operation": EDIT, "sources": (FOX,)}, {"control_image": data(FOX)}),
]


@pytest.mark.parametrize(("model", "asked", "wire"), BODIES)
async def test_each_family_is_asked_in_its_own_fields(
    with_flux: Environ, flux: Flux, model: str, asked: Body, wire: Body
) -> None:
    path, body = await sent(with_flux, flux, prompt="a fox", model=model, **asked)
    assert path == f"/v1/{model.removeprefix('flux/')}"
    assert body == {"prompt": "a fox", **wire}


async def test_an_eraser_has_no_prompt(with_flux: Environ, flux: Flux) -> None:
    asked: Body = {"operation": Operation.ERASE, "sources": (FOX,), "mask": half_mask(), "model": ERASE}
    path, body = await sent(with_flux, flux, **asked, options={"dilate_pixels": 0})
    assert path == "/v1/flux-tools/erase-v1"
    assert body == {"image": data(FOX), "mask": data(half_mask()), "dilate_pixels": 0}
    assert len(flux.requests) == 3
    error = await refused(with_flux, **asked, prompt="a hat")
    assert (error.reason, error.message) == (
        Reason.UNSUPPORTED_OPTION,
        "flux-tools/erase-v1 does not offer prompt.",
    )
    error = await refused(with_flux, **{**asked, "mask": None}, prompt="")
    assert error.reason is Reason.INVALID_REQUEST
    assert "mask" in error.hint
    assert len(flux.requests) == 3


@pytest.mark.parametrize(
    ("model", "operation"), [("flux-pro-1.0-fill", Operation.INPAINT), ("flux-erase", Operation.ERASE)]
)
async def test_the_mask_arrives_white_where_the_picture_changes(
    with_flux: Environ, flux: Flux, model: str, operation: Operation
) -> None:
    transparent = Image.new("RGBA", (320, 256), "red")
    transparent.paste((0, 0, 0, 0), (0, 0, 160, 256))
    prompt = "a hat" if operation is Operation.INPAINT else ""
    for mask in (half_mask(), masked(_png(transparent))):
        flux.reset()
        _, body = await sent(
            with_flux, flux, operation=operation, prompt=prompt, model=model, sources=(FOX,), mask=mask
        )
        arrived = opened(body["mask"])
        assert arrived.size == (FOX.width, FOX.height)
        assert (arrived.getpixel((10, 10)), arrived.getpixel((310, 10))) == (255, 0)
        assert opened(body["image"]).getpixel((10, 10)) == (255, 165, 0)


async def test_what_comes_back_is_told_with_cost_seed_and_size(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(emulated.PENDING, emulated.GENERATING, emulated.state("Polishing"))
    async with studio(PROVIDER, with_flux) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux", size="512x1024"))
    made = result.images[0].picture
    assert (made.format, made.width, made.height, made.seed) == ("jpeg", 512, 1024, emulated.SEED)
    assert made.prompt_used is None
    assert result.actual_usd == Decimal("0.03")
    assert result.details["request_id"] in flux.tasks
    assert result.details["output_mp"] == 0.5
    assert len(flux.polls.requests) == 4


ODD: tuple[Any, ...] = (None, [], {"odd": 1}, "odd", True, -1, 2**70, 1.5, float("nan"), float("inf"))
LISTED = Decimal("0.03")  # what the price list says
NO_PRICES: tuple[Any, ...] = (None, [], "odd", -1, 1_000_000, 1e300, 10**400, "NaN", "1e9999999", "Infinity")


@pytest.mark.parametrize("odd", ODD, ids=repr)
async def test_what_is_beside_the_point_does_not_cost_the_picture(with_flux: Environ, flux: Flux, odd: Any) -> None:
    task = {"id": odd, "polling_url": f"{flux.url}/v1/get_result?id=x", "input_mp": odd, "output_mp": odd}
    result = {"sample": f"{flux.url}/sample", "seed": odd, "prompt": odd, "expanded_prompt": odd}
    flux.next(Answer(200, task), emulated.state("Pending", result=odd), emulated.state("Ready", result=result))
    flux.next(Answer(200, png(64, 48)))
    async with studio(PROVIDER, with_flux) as pipeline:
        made = await pipeline.run(ImageRequest(prompt="a fox", model="flux"))
    assert (made.images[0].picture.width, made.actual_usd) == (64, Decimal("0.03"))
    assert json.dumps(dict(made.details), allow_nan=False)


@pytest.mark.parametrize("cost", NO_PRICES, ids=lambda cost: repr(cost)[:12])
async def test_what_is_no_price_is_not_told_as_one(with_flux: Environ, flux: Flux, cost: Any) -> None:
    flux.next(Answer(200, {"id": "c0ff", "polling_url": f"{flux.url}/v1/get_result?id=c0ff", "cost": cost}))
    flux.next(emulated.state("Ready", result={"sample": f"{flux.url}/sample"}), Answer(200, png(64, 48)))
    async with studio(PROVIDER, with_flux) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="flux"))).actual_usd == Decimal(
            "0.03"
        )  # the list price


@pytest.mark.parametrize("link", ["http://[::1", "https://x:y/", "a\0b", "ftp://x/y", "http://", "x" * 70_000],
                         ids=lambda link: ascii(link)[:12])  # fmt: skip
@pytest.mark.parametrize("of", ["the task", "the picture"])
async def test_a_link_that_is_no_address_is_an_answer_that_cannot_be_used(
    with_flux: Environ, flux: Flux, of: str, link: str
) -> None:
    polled = link if of == "the task" else f"{flux.url}/v1/get_result?id=c0ff"
    flux.next(Answer(200, {"id": "c0ff", "polling_url": polled, "cost": 3}))
    flux.next(emulated.state("Ready", result={"sample": link}))
    error = await refused(with_flux)
    assert (error.reason, error.outcome_unknown) == (Reason.INVALID_RESPONSE, True)
    assert (error.facts["request_id"], error.facts["cost_usd"]) == ("c0ff", Decimal("0.03"))


async def test_each_stage_of_a_task_is_told_once(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(
        emulated.PENDING, emulated.REASONING, emulated.REASONING, emulated.GENERATING, emulated.state("Polishing"),
        emulated.REASONING, emulated.GENERATING,
    )  # fmt: skip
    told = list[str]()

    async def tell(message: str) -> None:
        told.append(message)

    async with studio(PROVIDER, with_flux) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="flux"), tell=tell)
    assert told[-4:] == [
        "Black Forest Labs has queued the picture.",
        "Black Forest Labs is reasoning.",
        "Black Forest Labs is generating.",
        "The picture is done; downloading it.",
    ]
    assert len(flux.polls.requests) == 8


async def test_several_pictures_are_several_tasks_with_a_seed_each_and_one_bill(with_flux: Environ, flux: Flux) -> None:
    async with studio(PROVIDER, with_flux) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux", count=3, seed=7))
    submits = [request.json for request in flux.requests if request.path == "/v1/flux-2-pro"]
    assert len(result.images) == len(submits) == 3
    assert sorted(submits, key=lambda body: body["seed"]) == [{"prompt": "a fox", "seed": seed} for seed in (7, 8, 9)]
    assert result.actual_usd == Decimal("0.09")
    assert len(set(result.details["request_ids"])) == 3


async def test_the_vendors_rewriting_of_the_prompt_is_told(with_flux: Environ, flux: Flux) -> None:
    async with studio(PROVIDER, with_flux) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux-3-image"))
    assert (result.images[0].format, result.images[0].prompt_used) == ("png", emulated.EXPANDED)


async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(with_flux: Environ, flux: Flux) -> None:
    request = ImageRequest(prompt="a fox", model="flux-kontext-pro", operation=EDIT, sources=FOXES)
    async with studio(PROVIDER, with_flux) as pipeline:
        prepared = pipeline.prepare(request)
        await pipeline.run(request)
    fired = flux.requests[0]
    assert (str(prepared.url), prepared.content) == (f"{flux.url}/v1/flux-kontext-pro", fired.body)
    assert flux.key not in repr(prepared.headers) + prepared.content.decode()
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value


async def test_preparing_needs_no_key() -> None:
    prepared = studio(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model="bfl"))
    assert str(prepared.url) == "https://api.bfl.ai/v1/flux-2-pro"


def keyed(requests: list[Received]) -> list[tuple[str, bool]]:
    return [(urlsplit(request.path).path.split("/")[1], "x-key" in request.headers) for request in requests]


@pytest.mark.parametrize("one_host", [False, True], ids=["another port", "one host"])
async def test_a_poll_bears_the_key_and_a_download_never_does(with_flux: Environ, flux: Flux, one_host: bool) -> None:
    flux.one_host = one_host
    await sent(with_flux, flux, prompt="a fox", model="flux")
    submit, *others = flux.requests
    polls = [others.pop(0)] if one_host else flux.polls.requests
    assert [request.headers["x-key"] for request in (submit, *polls)] == [flux.key] * 2
    assert keyed(others) == [("results", False), ("blobs", False)]
    assert flux.key not in repr([(request.path, request.headers) for request in others])


async def somewhere_public(name: str, port: int) -> list[str]:
    return ["93.184.216.34"]


def by_name(request: httpx.Request) -> str:
    """The address of a request that may be dialled by number."""
    return str(request.url.copy_with(host=request.headers["host"].partition(":")[0]))


OWN, GATEWAY = "https://api.bfl.ai", "https://gateway.example"


@pytest.mark.parametrize(
    ("base", "polling_url", "polled", "with_key"),
    [
        (OWN, "https://api.eu2.bfl.ai/v1/get_result?id=1", "https://api.eu2.bfl.ai/v1/get_result?id=1", True),
        ("https://api.us.bfl.ai", "https://api.us1.bfl.ai/poll", "https://api.us1.bfl.ai/poll", True),
        (OWN, "/v1/get_result?id=1", "https://api.bfl.ai/v1/get_result?id=1", True),
        (OWN, None, "https://api.bfl.ai/v1/get_result?id=c0ff", True),
        (OWN, "https://api.bfl.ai.example.org/poll", "https://api.bfl.ai.example.org/poll", False),
        (OWN, "https://notbfl.ai/poll", "https://notbfl.ai/poll", False),
        (GATEWAY, "https://gateway.example:8443/poll", "https://gateway.example:8443/poll", True),
        (GATEWAY, "https://api.eu2.bfl.ai/poll", "https://api.eu2.bfl.ai/poll", False),
    ],
)
async def test_on_a_poll_the_vendors_hosts_see_the_vendors_key_and_a_gateway_its_own(
    base: str, polling_url: str | None, polled: str, with_key: bool
) -> None:
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if "delivery" in request.headers["host"]:
            return httpx.Response(200, content=png(64, 64))
        result = {"sample": "https://delivery-eu1.bfl.ai/results/1.png?sig=s"}
        return httpx.Response(200, json={"id": "c0ff", "status": "Ready", "result": result})

    choice = Catalog({"BFL_BASE_URL": base}.get, lambda: TODAY, (PROVIDER,)).resolve("flux")
    assert choice.endpoint.custom is (base == GATEWAY)
    job = Job(id="job_1", request=ImageRequest(prompt="a fox"), model=choice.model, endpoint=choice.endpoint)
    submitted = httpx.Response(200, json={"id": "c0ff", **({"polling_url": polling_url} if polling_url else {})})
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        wire = Wire(client, choice.endpoint, PROVIDER.explain, key="bfl-secret", reach=Reach(somewhere_public))
        reply = await vendor.read(submitted, job, wire)
    assert len(reply.pictures) == 1
    assert reply.cost_usd is None
    assert [by_name(each) for each in seen] == [polled, "https://delivery-eu1.bfl.ai/results/1.png?sig=s"]
    assert [each.headers.get("x-key") for each in seen] == ["bfl-secret" if with_key else None, None]


FORBIDDEN = emulated.trouble(422, [{"loc": ["body", "seed"], "msg": "Extra inputs", "type": "extra_forbidden"}])
INVALID = emulated.trouble(422, [{"loc": ["body", "width"], "msg": "Must be less", "type": "less_than_equal"}])
REFUSALS: list[tuple[Fault, Reason, int]] = [
    (emulated.trouble(400, "Bad request"), Reason.INVALID_REQUEST, 1),
    (emulated.trouble(401, "No key"), Reason.AUTHENTICATION, 1),
    (emulated.NO_CREDITS, Reason.QUOTA_EXCEEDED, 1),
    (emulated.NOT_AUTHENTICATED, Reason.AUTHENTICATION, 1),
    (emulated.NOT_FOUND, Reason.UNKNOWN_MODEL, 1),
    (FORBIDDEN, Reason.UNSUPPORTED_OPTION, 1),
    (INVALID, Reason.INVALID_REQUEST, 1),
    (emulated.state("Request Moderated", 422), Reason.CONTENT_POLICY, 1),
    (emulated.state("Content Moderated", 503), Reason.CONTENT_POLICY, 1),
    (emulated.state("Error", 503), Reason.INVALID_RESPONSE, 1),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, 1),
    (Answer(200, {}), Reason.INVALID_RESPONSE, 1),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, 1),
    (Answer(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), Reason.PROVIDER_UNAVAILABLE, 4),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, 4),
    (Dropped(), Reason.NETWORK_ERROR, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, 1),
]


@pytest.mark.parametrize(("fault", "reason", "requests"), REFUSALS)
async def test_each_refusal_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_flux: Environ, flux: Flux, fault: Fault, reason: Reason, requests: int
) -> None:
    flux.next(*[fault] * 10)
    error = await refused(with_flux)
    assert error.reason is reason
    assert len(flux.requests) == requests
    assert not flux.polls.requests


async def test_a_wrong_key_and_an_empty_purse_are_told_as_the_vendor_tells_them(with_flux: Environ, flux: Flux) -> None:
    error = await refused({**with_flux, "BFL_API_KEY": "bfl-wrong"})
    assert (error.reason, error.facts["status"]) == (Reason.AUTHENTICATION, 403)
    assert "BFL_API_KEY" in error.hint
    flux.credits = 0
    assert (await refused(with_flux)).reason is Reason.QUOTA_EXCEEDED


async def test_a_validation_error_names_the_field(
    with_flux: Environ, flux: Flux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(emulated.MODELS, "flux-2-next", emulated.MODELS["flux-2-pro"])  # which our rows do not have
    error = await refused(with_flux, model="flux-2-next", options={"safety_tolerance": 9})
    assert (error.reason, error.facts["status"]) == (Reason.INVALID_REQUEST, 422)
    assert "safety_tolerance: Input should be less than or equal to 5" in error.message


async def test_after_a_passing_failure_the_picture_comes(with_flux: Environ, flux: Flux) -> None:
    flux.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    flux.polls.next(emulated.OVERLOADED, emulated.RATE_LIMITED, emulated.PENDING, Dropped())
    async with studio(PROVIDER, with_flux) as pipeline:
        assert (await pipeline.run(ImageRequest(prompt="a fox", model="flux"))).images
    assert [request.path for request in flux.requests].count("/v1/flux-2-pro") == 3
    assert len(flux.polls.requests) == 5


async def test_a_long_wait_is_told_instead_of_waited(with_flux: Environ, flux: Flux) -> None:
    flux.next(emulated.trouble(429, "Slow down", retry_after="120"))
    error = await refused(with_flux)
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMITED, 120)
    assert len(flux.requests) == 1


READY_WITHOUT_LINK = emulated.state("Ready", result={"seed": 1})
PATIENCE = (FORGIVEN + 1) * ATTEMPTS  # exchanges that a poll goes through before it gives up
ENDINGS: list[tuple[Fault, Reason, str | None, int]] = [
    (emulated.REQUEST_MODERATED, Reason.CONTENT_POLICY, None, 1),
    (emulated.CONTENT_MODERATED, Reason.CONTENT_POLICY, None, 1),
    (emulated.state("Content Moderated", 503), Reason.CONTENT_POLICY, None, 1),
    (emulated.state("Request Moderated", 422), Reason.CONTENT_POLICY, None, 1),
    (emulated.FAILED, Reason.PROVIDER_UNAVAILABLE, "unknown", 1),
    (emulated.state("Error", 422, "Out of memory"), Reason.PROVIDER_UNAVAILABLE, "unknown", 1),
    (emulated.state("Error", 503), Reason.PROVIDER_UNAVAILABLE, "unknown", 1),
    (emulated.TASK_NOT_FOUND, Reason.INVALID_RESPONSE, "unknown", 1),
    (READY_WITHOUT_LINK, Reason.INVALID_RESPONSE, "unknown", 1),
    (Answer(200, b"<html>"), Reason.INVALID_RESPONSE, "unknown", FORGIVEN + 1),
    (emulated.NOT_AUTHENTICATED, Reason.AUTHENTICATION, None, 1),
    (emulated.OVERLOADED, Reason.PROVIDER_UNAVAILABLE, "unknown", PATIENCE),
]


@pytest.mark.parametrize(("fault", "reason", "outcome", "polls"), ENDINGS)
async def test_a_task_that_ends_without_a_picture_tells_its_cost_and_is_not_submitted_again(
    with_flux: Environ, flux: Flux, fault: Fault, reason: Reason, outcome: str | None, polls: int
) -> None:
    flux.polls.next(*[fault] * (PATIENCE + 1))
    error = await refused(with_flux, model="flux-3-image")
    assert (error.reason, error.facts.get("outcome")) == (reason, outcome)
    assert error.facts["cost_usd"] == Decimal("0.048")
    assert error.facts["request_id"] in flux.tasks
    assert error.facts["polling_url"].startswith(flux.polls.url)
    assert (len(flux.requests), len(flux.polls.requests)) == (1, polls)


async def test_a_blocked_picture_tells_what_it_cost(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(emulated.CONTENT_MODERATED)
    error = await refused(with_flux, model="flux-3-image")
    assert "0.048 USD" in error.hint
    assert not error.outcome_unknown


@pytest.mark.parametrize("fault", [emulated.CONTENT_MODERATED, emulated.NOT_AUTHENTICATED])
async def test_a_task_whose_cost_is_not_stated_may_have_been_billed_whatever_ended_it(
    with_flux: Environ, flux: Flux, fault: Fault
) -> None:
    flux.next(Answer(200, {"id": "c0ff", "polling_url": f"{flux.polls.url}/v1/get_result?id=c0ff"}))
    flux.polls.next(fault)
    assert (await refused(with_flux)).outcome_unknown


async def test_the_vendors_reasons_are_quoted(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(emulated.CONTENT_MODERATED)
    error = await refused(with_flux)
    assert "“Content Moderated”" in error.message
    assert "Derivative Works Filter" in error.message
    assert error.facts["status"] == 200


async def test_a_key_kept_from_a_strange_polling_host_is_explained(with_flux: Environ, flux: Flux) -> None:
    flux.polls_name = "localhost"
    error = await refused(with_flux)
    assert error.reason is Reason.AUTHENTICATION
    assert "gateway" in error.hint
    assert keyed(flux.polls.requests) == [("v1", False)]


async def test_a_task_that_outlives_the_deadline_may_be_billed(with_flux: Environ, flux: Flux) -> None:
    flux.polls.next(*[emulated.PENDING] * 100)
    began = time.monotonic()
    async with studio(PROVIDER, with_flux, timeout=0.4) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="flux"))
    assert time.monotonic() - began < 2
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.TIMEOUT, True)
    assert caught.value.facts["cost_usd"] == Decimal("0.03")


async def test_a_task_is_asked_for_once_a_second(
    with_flux: Environ, flux: Flux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    flux.polls.next(emulated.PENDING)
    began = time.monotonic()
    await sent(with_flux, flux, prompt="a fox", model="flux")
    assert 1.0 <= time.monotonic() - began < 2.0
    assert len(flux.polls.requests) == 2


@pytest.mark.parametrize("fault", [Slow(1.5), Drip(every=0.1, length=10)], ids=["silence", "drip"])
async def test_a_timed_out_submit_may_be_billed_and_is_not_sent_again(
    with_flux: Environ, flux: Flux, fault: Fault
) -> None:
    flux.next(fault)
    async with studio(PROVIDER, with_flux, timeout=0.4) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="flux"))
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.TIMEOUT, True)
    assert len(flux.requests) == 1


async def test_a_link_that_expired_is_not_taken_for_a_wrong_key(with_flux: Environ, flux: Flux) -> None:
    flux.expired = True
    error = await refused(with_flux)
    assert (error.reason, error.outcome_unknown) == (Reason.INVALID_RESPONSE, True)
    assert "403" in error.message
    assert error.facts["cost_usd"] == Decimal("0.03")
    assert "sig=" not in f"{error.message} {error.facts}"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Answer(200, b"no picture", {"content-type": "image/jpeg"}), Reason.INVALID_RESPONSE),
        (Answer(200, png(64, 64)[:-20], {"content-type": "image/png"}), Reason.INVALID_RESPONSE),
        (Answer(302, b"", {"location": "http://127.0.0.1:9/elsewhere"}), Reason.INVALID_RESPONSE),
        (Answer(302, b"", {"location": "ftp://127.0.0.1/elsewhere"}), Reason.INVALID_RESPONSE),
    ],
    ids=["no picture", "cut short", "to nowhere", "by no web"],
)
async def test_a_delivery_that_is_no_picture_is_refused_with_its_cost(
    with_flux: Environ, flux: Flux, fault: Fault, reason: Reason
) -> None:
    flux.next(None, fault, fault)
    error = await refused(with_flux)
    assert (error.reason, error.outcome_unknown, error.facts["cost_usd"]) == (reason, True, Decimal("0.03"))


@pytest.mark.parametrize(
    "fault", [Answer(403, b"expired"), Answer(200, png(64, 64)[:-20])], ids=["a dead link", "cut short"]
)
async def test_a_delivery_that_failed_is_asked_for_once_more(with_flux: Environ, flux: Flux, fault: Fault) -> None:
    flux.next(None, fault)
    await sent(with_flux, flux, prompt="a fox", model="flux")
    assert len(flux.polls.requests) == 2
    assert [request.path for request in flux.requests].count("/v1/flux-2-pro") == 1


async def test_a_delivery_is_fetched_again_after_a_passing_failure(with_flux: Environ, flux: Flux) -> None:
    flux.next(None, emulated.OVERLOADED, Dropped(midway=True))
    await sent(with_flux, flux, prompt="a fox", model="flux")
    assert keyed(flux.requests) == [
        ("v1", True),
        ("results", False),
        ("results", False),
        ("results", False),
        ("blobs", False),
    ]


@pytest.mark.parametrize("during", ["the submit", "a poll"])
async def test_neither_key_nor_prompt_comes_back_in_an_error(with_flux: Environ, flux: Flux, during: str) -> None:
    words = f"Bad: {flux.key} asked for the secret garden of my aunt"
    if during == "a poll":
        flux.polls.next(emulated.state("Content Moderated", details=words))
    else:
        flux.next(emulated.trouble(400, words))
    error = await refused(with_flux, prompt="the secret garden of my aunt")
    told = f"{error!r} {error.message} {error.hint} {error.facts}"
    assert flux.key not in told
    assert "secret garden" not in told
    assert "Bad:" in told


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
    prepared = studio(PROVIDER, with_flux).prepare(request)
    assert json.loads(prepared.content) == {"prompt": "a", "resolution": "8k", "images": [data(FOX), data(HEN)]}


async def test_of_an_unlisted_model_too_one_picture_is_asked_at_a_time(
    with_flux: Environ, flux: Flux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(emulated.MODELS, "flux-4-pro", emulated.MODELS["flux-2-pro"])
    async with studio(PROVIDER, with_flux) as pipeline:
        result = await pipeline.run(ImageRequest(prompt="a fox", model="flux-4-pro", count=3))
    assert len(result.images) == [request.path for request in flux.requests].count("/v1/flux-4-pro") == 3
    assert result.warnings == ()


def test_every_row_is_known_to_the_emulator_and_the_default_is_one_of_them() -> None:
    assert {model.id for model in PROVIDER.models} == set(emulated.MODELS)
    catalog = Catalog(lambda name: None, lambda: TODAY, (PROVIDER,))
    assert {catalog.resolve(name).model.id for name in ("flux", "bfl", "bfl/flux-2-pro")} == {"flux-2-pro"}
    assert catalog.resolve("flux-9").model.any_value


@pytest.mark.parametrize("model", ["flux-pro", "flux-pro-1.0-canny", "flux-pro-1.0-depth"])
def test_what_left_the_vendors_list_works_with_a_warning(model: str) -> None:
    asked = ImageRequest(prompt="a fox", model=model)
    if model != "flux-pro":
        asked = ImageRequest(prompt="a fox", model=model, operation=EDIT, sources=(FOX,))
    told = " ".join(studio(PROVIDER, {}).admit(asked).warnings)
    assert "deprecated" in told
    assert "flux-2-pro" in told


def test_for_each_operation_the_vendors_name_means_the_row_to_choose() -> None:
    catalog = Catalog(lambda name: None, lambda: TODAY, (PROVIDER,))
    meant = {operation: catalog.resolve("flux", operation).model for operation in Operation}
    assert {operation.value: row.id for operation, row in meant.items() if operation in row.operations} == {
        "generate": "flux-2-pro",
        "edit": "flux-2-pro",
        "inpaint": "flux-pro-1.0-fill",
        "outpaint": "flux-pro-1.0-expand",
        "erase": "flux-tools/erase-v1",
        "variation": "flux-pro-1.1",
    }
