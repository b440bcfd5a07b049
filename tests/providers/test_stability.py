"""Stability through the real pipeline against the emulator: what is sent, what comes back, what a refusal means."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from atelier.providers import stability as vendor
from atelier.providers import stability_models as rows
from atelier.providers.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.masks import mask as masked
from atelier.providers.core.retry import ATTEMPTS
from atelier.providers.core.sources import source
from atelier.providers.core.types import ImageRequest, ImageResult, Operation
from atelier.providers.core.wire import FORGIVEN
from atelier.providers.stability import PROVIDER
from tests.conftest import TODAY, png
from tests.emulators import stability as emulated
from tests.emulators.server import Answer, Drip, Dropped, Fault, Slow
from tests.emulators.stability import Stability
from tests.emulators.stability_rules import RATIOS, STYLES, TOOLS
from tests.vendors import studio

pytestmark = pytest.mark.anyio

Environ = dict[str, str]

PHOTO = source(png(128, 96, "navy"))
OTHER = source(png(96, 96, "teal"))
MASK = masked(png(128, 96, "white", "L"))
SEARCHED = {"search": "the cat"}
RELIT = "stable-image-replace-background-and-relight"


@pytest.fixture
def hasty(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any wait between polls either."""
    monkeypatch.setattr(vendor, "POLL_SECONDS", 0.01)


def asked(model: str, operation: Operation = Operation.GENERATE, prompt: str = "a fox", **more: Any) -> ImageRequest:
    return ImageRequest(model=model, operation=operation, prompt=prompt, **more)


async def run(environ: Environ, request: ImageRequest, **options: Any) -> ImageResult:
    async with studio(PROVIDER, environ, **options) as pipeline:
        return await pipeline.run(request)


async def refused(environ: Environ, request: ImageRequest, **options: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await run(environ, request, **options)
    assert caught.value.message
    assert caught.value.hint
    return caught.value


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
WIDE: dict[str, Any] = {"aspect_ratio": "16:9"}
WIDE_SENT = {"aspect_ratio": "16:9"}
PHOTOS = {"image": PHOTO.image_bytes}
Op = Operation

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


def test_for_each_operation_the_vendors_name_means_the_row_to_choose() -> None:
    catalog = Catalog(lambda name: None, lambda: TODAY, (PROVIDER,))
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


def test_every_endpoint_and_every_current_row_is_in_that_list() -> None:
    assert {row[1] for row in WIRE} == set(TOOLS) == {model.wire for model in rows.MODELS} - {rows.V1}


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


@pytest.mark.parametrize(
    ("model", "strength"), [("ultra", "0.65"), ("sd3.5-large", "0.65"), ("sd3.5-flash", "0.95"), ("sd3-medium", "0.65")]
)
async def test_where_the_vendor_insists_on_a_strength_ours_is_told(
    with_stability: Environ, stability: Stability, model: str, strength: str
) -> None:
    result = await run(with_stability, asked(model, Op.VARIATION, sources=(PHOTO,)))
    assert stability.form.fields["strength"] == strength
    assert f"strength {strength}" in " ".join(result.warnings)


@pytest.mark.parametrize("odd", [None, [], {"odd": 1}, "odd", True, -1, 2**70, 1.5, float("nan")], ids=repr)
async def test_what_is_beside_the_point_does_not_cost_the_picture(
    with_stability: Environ, stability: Stability, odd: Any
) -> None:
    stability.next(Answer(200, {**emulated.answer(png(64, 48)), "seed": odd, "id": odd}))
    assert (await run(with_stability, asked("stability"))).images[0].picture.width == 64
    stability.next(Answer(403, {"name": "content_moderation", "id": odd, "errors": ["Not that.", odd]}))
    error = await refused(with_stability, asked("stability"))
    assert (error.reason, "Not that." in error.message) == (Reason.CONTENT_POLICY, True)


@pytest.mark.parametrize(
    ("count", "seed", "seeds"), [(3, 7, ["7", "8", "9"]), (2, None, [None, None])], ids=["seeded", "unseeded"]
)
async def test_several_pictures_are_several_calls_with_a_seed_each(
    with_stability: Environ, stability: Stability, count: int, seed: int | None, seeds: list[str | None]
) -> None:
    result = await run(with_stability, asked("core", count=count, seed=seed))
    assert len(result.images) == len(stability.requests) == count
    assert sorted(str(form.fields.get("seed")) for form in stability.forms) == list(map(str, seeds))
    assert {"n", "count"}.isdisjoint(stability.form.fields)


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
    async with studio(PROVIDER, with_stability) as pipeline:
        prepared = pipeline.prepare(request_)
        await pipeline.run(request_)
    fired = stability.requests[0]
    body = prepared.read()
    assert (str(prepared.url), body) == (f"{stability.url}{fired.path}", fired.body)
    assert stability.key not in repr(prepared.headers) + body.decode("latin-1")
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value


def test_preparing_needs_no_key() -> None:
    prepared = studio(PROVIDER, {}).prepare(asked("stability/ultra"))
    assert str(prepared.url) == "https://api.stability.ai/v2beta/stable-image/generate/ultra"


async def test_a_result_is_awaited_with_the_key_on_the_same_host(
    with_stability: Environ, stability: Stability, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stability.patience <= vendor.POLL_SECONDS
    monkeypatch.setattr(vendor, "POLL_SECONDS", 0.1)
    stability.busy, stability.patience, told = 2, 0.09, list[str]()

    async def tell(message: str) -> None:
        told.append(message)

    async with studio(PROVIDER, with_stability) as pipeline:
        result = await pipeline.run(asked(RELIT, Op.REPLACE_BACKGROUND, sources=(PHOTO,)), tell=tell)
    assert "queued" in told[-1]
    submit, *polls = stability.requests
    id = result.details["generation"]
    assert [(poll.method, poll.path) for poll in polls] == [("GET", f"/v2beta/results/{id}")] * 3
    assert {poll.headers["authorization"] for poll in polls} == {submit.headers["authorization"]}
    assert {poll.headers["accept"] for poll in polls} == {"application/json"}
    assert result.images[0].picture.seed == emulated.SEED


async def test_a_busy_result_ends_at_the_deadline_and_may_be_collected_later(
    with_stability: Environ, stability: Stability
) -> None:
    stability.busy = 99
    error = await refused(with_stability, asked(RELIT, Op.REPLACE_BACKGROUND, sources=(PHOTO,)), timeout=2)
    assert (error.reason, error.outcome_unknown) == (Reason.TIMEOUT, True)
    assert error.facts["generation"] in stability.generations
    assert len(stability.requests) == 2


PATIENCE = (FORGIVEN + 1) * ATTEMPTS  # exchanges that a poll goes through before it gives up

POLLED: list[tuple[Fault, Reason, bool, int]] = [
    (emulated.GONE, Reason.NOT_FOUND, True, 2),
    (emulated.trouble(404, "not_found", "Not found."), Reason.NOT_FOUND, True, 2),
    (emulated.MODERATED, Reason.CONTENT_POLICY, False, 2),
    (emulated.FILTERED, Reason.CONTENT_POLICY, True, 2),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, True, 2 + FORGIVEN),
    (Answer(200, {"finish_reason": "SUCCESS"}), Reason.INVALID_RESPONSE, True, 2),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, True, 2),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, True, 1 + PATIENCE),
    (Dropped(), Reason.NETWORK_ERROR, True, 1 + PATIENCE),
]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("fault", "reason", "unknown", "requests"), POLLED)
async def test_a_failure_to_collect_buys_nothing_again(
    with_stability: Environ, stability: Stability, fault: Fault, reason: Reason, unknown: bool, requests: int
) -> None:
    stability.next(None, *[fault] * (PATIENCE + 1))
    error = await refused(with_stability, asked("stable-image-upscale-creative", Op.UPSCALE, sources=(PHOTO,)))
    assert (error.reason, error.outcome_unknown) == (reason, unknown)
    assert [request.method for request in stability.requests] == ["POST", *["GET"] * (requests - 1)]


@pytest.mark.usefixtures("hasty")
async def test_after_a_passing_failure_to_collect_the_picture_comes(
    with_stability: Environ, stability: Stability
) -> None:
    stability.next(None, emulated.BROKEN_SERVER, emulated.RATE_LIMITED, Dropped())
    request = asked("stable-image-upscale-creative", Op.UPSCALE, sources=(PHOTO,))
    assert (await run(with_stability, request)).images
    assert [request.method for request in stability.requests] == ["POST", "GET", "GET", "GET", "GET"]


async def test_the_key_does_not_follow_a_redirect(with_stability: Environ, stability: Stability) -> None:
    elsewhere = Stability()
    with elsewhere.serving():
        moved = Answer(307, b"", {"location": f"{elsewhere.url}/v2beta/results/1"})
        stability.next(moved, None, moved)
        for request in (asked("core"), asked(RELIT, Op.REPLACE_BACKGROUND, sources=(PHOTO,))):
            assert (await refused(with_stability, request)).reason is Reason.INVALID_RESPONSE
    assert elsewhere.requests == []


REFUSALS: list[tuple[Fault, Reason, bool, int]] = [
    (emulated.trouble(401, "unauthorized", "invalid or missing key"), Reason.AUTHENTICATION, False, 1),
    (emulated.NO_CREDITS, Reason.QUOTA_EXCEEDED, False, 1),
    (emulated.MODERATED, Reason.CONTENT_POLICY, False, 1),
    (emulated.PUBLIC_FIGURE, Reason.CONTENT_POLICY, False, 1),
    (emulated.COPYRIGHTED, Reason.CONTENT_POLICY, False, 1),
    (emulated.FILTERED, Reason.CONTENT_POLICY, True, 1),
    (emulated.NOT_ENGLISH, Reason.INVALID_REQUEST, False, 1),
    (emulated.TOO_LARGE, Reason.INVALID_REQUEST, False, 1),
    (emulated.trouble(400, "bad_request", "prompt: is required"), Reason.INVALID_REQUEST, False, 1),
    (emulated.trouble(404, "not_found", "There is no such endpoint."), Reason.UNKNOWN_MODEL, False, 1),
    (Answer(403, b"<html>Forbidden</html>", {"content-type": "text/html"}), Reason.AUTHENTICATION, False, 1),
    (Answer(400, {"errors": "not a list", "name": 7}), Reason.INVALID_REQUEST, False, 1),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, True, 1),
    (Answer(200, {"finish_reason": "SUCCESS", "seed": 1}), Reason.INVALID_RESPONSE, True, 1),
    (Answer(200, {"finish_reason": "SUCCESS", "image": "AAAA"}), Reason.INVALID_RESPONSE, True, 1),
    (Answer(200, {"finish_reason": "SUCCESS", "image": "!!!!"}), Reason.INVALID_RESPONSE, True, 1),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, False, 1),
    (Answer(502, b"<html>Bad gateway</html>", {"content-type": "text/html"}), Reason.PROVIDER_UNAVAILABLE, False, 4),
    (emulated.BROKEN_SERVER, Reason.PROVIDER_UNAVAILABLE, False, 4),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, False, 4),
    (Dropped(), Reason.NETWORK_ERROR, True, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, True, 1),
]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("fault", "reason", "unknown", "requests"), REFUSALS)
async def test_each_failure_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_stability: Environ, stability: Stability, fault: Fault, reason: Reason, unknown: bool, requests: int
) -> None:
    stability.next(*[fault] * 10)
    error = await refused(with_stability, asked("stability", prompt="a fox in the snow"))
    assert (error.reason, error.outcome_unknown) == (reason, unknown)
    assert len(stability.requests) == requests


@pytest.mark.usefixtures("hasty")
async def test_after_a_passing_failure_the_picture_comes(with_stability: Environ, stability: Stability) -> None:
    stability.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    assert (await run(with_stability, asked("stability"))).images
    assert len(stability.requests) == 3


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(emulated.SHUT_OUT, 60), (emulated.trouble(429, "rate_limit_exceeded", "Slow.", retry_after="45"), 45)],
)
async def test_a_wait_longer_than_the_deadline_is_told_instead_of_waited(
    with_stability: Environ, stability: Stability, fault: Fault, seconds: float
) -> None:
    stability.next(fault)
    error = await refused(with_stability, asked("stability"), timeout=5)
    assert (error.reason, error.retry_after) == (Reason.RATE_LIMITED, seconds)
    assert len(stability.requests) == 1


@pytest.mark.parametrize("fault", [Slow(3), Drip(every=0.1)], ids=["silence", "drip"])
async def test_a_timed_out_call_may_be_billed_and_is_not_sent_again(
    with_stability: Environ, stability: Stability, fault: Fault
) -> None:
    stability.next(fault)
    error = await refused(with_stability, asked("stability"), timeout=0.5)
    assert (error.reason, error.outcome_unknown) == (Reason.TIMEOUT, True)
    assert len(stability.requests) == 1


async def test_a_wrong_key_is_told_without_the_key_or_the_prompt(with_stability: Environ, stability: Stability) -> None:
    with_stability["STABILITY_API_KEY"] = "sk-somebody-elses"
    error = await refused(with_stability, asked("stability", prompt="the secret garden of my aunt"))
    told = f"{error!r} {error.message} {error.hint} {error.facts}"
    assert error.reason is Reason.AUTHENTICATION
    assert "sk-somebody-elses" not in told
    assert "secret garden" not in told


async def test_the_vendors_words_and_ids_are_passed_on_as_the_vendors(
    with_stability: Environ, stability: Stability
) -> None:
    stability.next(emulated.trouble(400, "bad_request", "seed: too\x1b[31m large", "prompt: too long"))
    error = await refused(with_stability, asked("stability"))
    assert error.message == "Stability answered 400 bad_request: “seed: too [31m large; prompt: too long”"
    assert error.facts["request_id"] == "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4"


EARLY: list[tuple[ImageRequest, Reason, str]] = [
    (asked("stable-image-inpaint", Op.INPAINT, sources=(PHOTO,)), Reason.INVALID_REQUEST, "no mask"),
    (asked("stable-image-erase", Op.ERASE, "", sources=(PHOTO,)), Reason.INVALID_REQUEST, "mask"),
    (asked("stable-image-search-and-replace", Op.SEARCH_REPLACE, sources=(PHOTO,)), Reason.INVALID_REQUEST, "search"),
    (asked("stable-image-search-and-recolor", Op.RECOLOR, sources=(PHOTO,)), Reason.INVALID_REQUEST, "search"),
    (asked("stable-image-outpaint", Op.OUTPAINT, sources=(PHOTO,)), Reason.INVALID_REQUEST, "which side"),
    (
        asked("stable-image-outpaint", Op.OUTPAINT, sources=(PHOTO,), options={"left": 0}),
        Reason.INVALID_REQUEST,
        "which side",
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
    (asked("core", sources=(PHOTO,)), Reason.UNSUPPORTED_OPTION, "source pictures"),
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
    (asked("sd4-huge", Op.EDIT, sources=(PHOTO, OTHER)), Reason.UNSUPPORTED_OPTION, "source picture"),
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
    prepared = studio(PROVIDER, {}).prepare(request_)
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
        studio(PROVIDER, {}).prepare(asked("stable-diffusion-v1-6"))
    for error in (custom, caught.value):
        assert error.reason is Reason.MODEL_RETIRED
        assert "stable-image-core" in error.hint
    assert stability.requests == []


async def test_a_missing_key_is_told_by_its_variable(stability: Stability, environ: Environ) -> None:
    error = await refused(environ, asked("ultra"))
    assert (error.reason, "STABILITY_API_KEY" in error.hint) == (Reason.AUTHENTICATION, True)
