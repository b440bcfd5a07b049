"""Google through the real pipeline against the emulator: what is sent to either API, what comes back, what it means."""

from __future__ import annotations

import base64
import io
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from atelier.providers.core import masks, sources
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation, Picture
from atelier.providers.core.wire import httpx
from atelier.providers.gemini import PROVIDER
from atelier.providers.gemini_models import MODELS
from tests.conftest import png
from tests.emulators import gemini as emulated
from tests.emulators.gemini import Gemini
from tests.emulators.server import Answer, Drip, Dropped, Fault, Slow
from tests.vendors import studio

pytestmark = pytest.mark.anyio

Environ = dict[str, str]
MODEL = "gemini-nano-banana-2.1"
PATH = f"/v1beta/models/{MODEL}:generateContent"
LISTED = {model.id: model for model in MODELS}


def ask(prompt: str = "a fox in the snow", model: str = "gemini", **asked: Any) -> ImageRequest:
    return ImageRequest(prompt=prompt, model=model, **asked)


FOX = ask()


def drawing(width: int, height: int, format: str = "PNG") -> Picture:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(out, format)
    return sources.source(out.getvalue())


def carried(blob: dict[str, str]) -> bytes:
    """The picture inside a body of either API."""
    return base64.b64decode(blob.get("data") or blob["bytesBase64Encoded"])


def content(*parts: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {
        "contents": [{"role": "user", "parts": list(parts)}],
        "generationConfig": {"responseModalities": ["IMAGE"], **config},
    }


# What is sent


async def test_only_what_was_asked_is_on_the_wire(with_gemini: Environ, gemini: Gemini) -> None:
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(FOX)
    assert gemini.requests[-1].path == PATH
    assert gemini.requests[-1].json == content({"text": "a fox in the snow"})
    assert gemini.requests[-1].headers["x-goog-api-key"] == gemini.key
    assert [(i.format, i.picture.width, i.picture.height) for i in result.images] == [("png", 1024, 1024)]


async def test_every_option_reaches_the_vendor_in_its_own_words(with_gemini: Environ, gemini: Gemini) -> None:
    request = ImageRequest(
        prompt="a fox",
        model="nano-banana-2.1",
        aspect_ratio="16:9",
        resolution="2k",
        seed=7,
        options={"thinking_level": "high"},
    )
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(request)
    assert gemini.requests[-1].json == content(
        {"text": "a fox"},
        imageConfig={"aspectRatio": "16:9", "imageSize": "2K"},
        seed=7,
        thinkingConfig={"thinkingLevel": "HIGH"},
    )
    assert [(i.picture.width, i.picture.height) for i in result.images] == [(2752, 1536)]


@pytest.mark.parametrize(("word", "sent"), [("512", "512"), ("1k", "1K"), ("2k", "2K"), ("4k", "4K")])
async def test_resolution_words_become_image_sizes(gemini: Gemini, word: str, sent: str) -> None:
    request = ImageRequest(prompt="a fox", model="gemini-3.1-flash-image", resolution=word)
    prepared = studio(PROVIDER, {}).prepare(request)
    assert json.loads(prepared.content)["generationConfig"]["imageConfig"] == {"imageSize": sent}


async def test_source_pictures_arrive_untouched_and_in_order(with_gemini: Environ, gemini: Gemini) -> None:
    first, second = drawing(64, 64), drawing(96, 64, "WEBP")
    request = ImageRequest(operation=Operation.EDIT, prompt="join them", model="gemini", sources=(first, second))
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(request)
    text, *images = gemini.requests[-1].json["contents"][0]["parts"]
    assert text == {"text": "join them"}
    assert [image["inlineData"]["mimeType"] for image in images] == ["image/png", "image/webp"]
    assert [carried(image["inlineData"]) for image in images] == [first.image_bytes, second.image_bytes]
    assert (result.images[0].picture.width, result.images[0].picture.height) == (1264, 848)


async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(with_gemini: Environ, gemini: Gemini) -> None:
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model="gemini", sources=(drawing(8, 8),), seed=1)
    async with studio(PROVIDER, with_gemini) as pipeline:
        prepared = pipeline.prepare(request)
        await pipeline.run(request)
    fired = gemini.requests[-1]
    assert (str(prepared.url), prepared.content) == (f"{gemini.url}{PATH}", fired.body)
    assert gemini.key not in f"{prepared.url} {prepared.headers!r} {prepared.content.decode()}"
    for name, value in prepared.headers.items():
        assert fired.headers[name] == value
    assert [request.headers.get("x-goog-api-key") for request in gemini.requests] == [gemini.key]
    assert "authorization" not in fired.headers


async def test_preparing_needs_no_key() -> None:
    prepared = studio(PROVIDER, {}).prepare(FOX)
    assert str(prepared.url) == f"https://generativelanguage.googleapis.com{PATH}"


@pytest.mark.parametrize(
    ("keys", "used"),
    [
        ({"GOOGLE_API_KEY": "first", "GEMINI_API_KEY": "second"}, "first"),
        ({"GOOGLE_API_KEY": "", "GEMINI_API_KEY": "second"}, "second"),
    ],
)
async def test_the_google_key_comes_before_the_gemini_key(
    with_gemini: Environ, gemini: Gemini, keys: Environ, used: str
) -> None:
    gemini.key = used
    async with studio(PROVIDER, with_gemini | keys) as pipeline:
        assert (await pipeline.run(FOX)).images


async def test_the_vendors_own_client_asks_in_the_same_words(with_gemini: Environ, gemini: Gemini) -> None:
    from google import genai
    from google.genai import types

    picture = drawing(16, 16)
    request = ImageRequest(
        operation=Operation.EDIT, prompt="a hat", model="gemini", aspect_ratio="3:2", seed=7, sources=(picture,)
    )
    ours = studio(PROVIDER, with_gemini).prepare(request)
    client = genai.Client(api_key=gemini.key, http_options=types.HttpOptions(base_url=gemini.url, api_version="v1beta"))
    client.models.generate_content(  # pyright: ignore[reportUnknownMemberType] - its own types are loose
        model=MODEL,
        contents=["a hat", types.Part.from_bytes(data=picture.image_bytes, mime_type="image/png")],
        config=types.GenerateContentConfig(
            response_modalities=["IMAGE"], image_config=types.ImageConfig(aspect_ratio="3:2"), seed=7
        ),
    )
    client.close()
    theirs = gemini.requests[-1]
    assert ours.url.path == theirs.path
    body = emulated.camelled(theirs.json)
    blob = body["contents"][0]["parts"][1]["inlineData"]
    blob["data"] = blob["data"].replace("-", "+").replace("_", "/")  # base64 in its other alphabet
    assert json.loads(ours.content) == body


# What comes back


async def test_thoughts_are_billed_but_are_no_result(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.thinks = True
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(FOX)
    assert [image.picture.width for image in result.images] == [1024]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (4, 1120 + 55)
    assert result.usage.details == {
        "input_tokens_details": {"text_tokens": 4},
        "output_tokens_details": {"image_tokens": 1120, "thought_tokens": 55},
    }
    assert result.details == {"request_id": "r-emulated-1", "model_version": MODEL}
    assert (result.warnings, result.actual_usd) == ((), Decimal("0.0340185"))  # the vendor names no price


async def test_the_format_is_read_from_the_bytes(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.format = "JPEG"
    async with studio(PROVIDER, with_gemini) as pipeline:
        assert [image.format for image in (await pipeline.run(FOX)).images] == ["jpeg"]


async def test_another_model_than_the_asked_one_is_told(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.served = "gemini-3.1-flash-image"
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(FOX)
    assert result.details["model_version"] == "gemini-3.1-flash-image"
    assert result.warnings == (f"Google answered with gemini-3.1-flash-image in place of {MODEL}.",)


async def test_a_gateway_may_say_null_for_what_is_absent(with_gemini: Environ, gemini: Gemini) -> None:
    part = {"text": None, "thought": None, "inlineData": {"mimeType": None, "data": emulated.drawn((8, 8))}}
    candidate = {"content": {"role": None, "parts": [part]}, "finishReason": None, "finishMessage": None}
    nulls = {"promptFeedback": None, "usageMetadata": None, "modelVersion": None, "responseId": None}
    gemini.next(Answer(200, {"candidates": [candidate], **nulls}))
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(FOX)
    assert (len(result.images), result.usage, result.details) == (1, None, {})


DRAWN = {"inlineData": {"mimeType": "image/png", "data": emulated.drawn((8, 8))}}


ODD: tuple[Any, ...] = ([], {"odd": 1}, "odd", True, -1, 2**70, 1.5, float("nan"))


@pytest.mark.parametrize("odd", [None, *ODD], ids=repr)
async def test_what_is_beside_the_point_does_not_cost_the_picture(
    with_gemini: Environ, gemini: Gemini, odd: Any
) -> None:
    share = {"modality": odd, "tokenCount": odd}
    counts = dict.fromkeys(("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"), odd)
    details = {"promptTokensDetails": [share, odd], "candidatesTokensDetails": odd}
    ending = {"finishReason": odd, "finishMessage": odd}
    candidate = {"content": {"parts": [{"text": odd, "inlineData": DRAWN["inlineData"]}]}, **ending}
    beside = {"promptFeedback": odd, "modelVersion": odd, "responseId": odd, "predictions": odd}
    for usage in ({**counts, **details}, odd):
        gemini.next(Answer(200, {"candidates": [candidate], "usageMetadata": usage, **beside}))
        async with studio(PROVIDER, with_gemini) as pipeline:
            result = await pipeline.run(FOX)
        assert [image.picture.width for image in result.images] == [8]
        assert json.dumps(dict(result.details), allow_nan=False)
    gemini.next(Answer(200, {"predictions": [{**IMAGEN_DRAWN, "prompt": odd, "raiFilteredReason": odd}]}))
    async with studio(PROVIDER, with_gemini) as pipeline:
        assert len((await pipeline.run(imagen())).images) == 1


BROKEN: tuple[Any, ...] = (None, 7, {"inlineData": {"data": 7}}, {"inlineData": {"data": "AAAA"}})
IMAGEN_DRAWN = {"bytesBase64Encoded": DRAWN["inlineData"]["data"]}
IMAGEN_BROKEN: tuple[Any, ...] = (None, 7, {"bytesBase64Encoded": 7}, {"bytesBase64Encoded": "AAAA"})


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        *((FOX, {"candidates": [{"content": {"parts": [part, DRAWN]}}]}) for part in BROKEN),
        (FOX, {"candidates": [None, {"content": {"parts": [DRAWN]}}]}),
        *((ask(model="imagen-4.0-generate-001"), {"predictions": [item, IMAGEN_DRAWN]}) for item in IMAGEN_BROKEN),
    ],
)
async def test_a_broken_picture_does_not_take_the_others_with_it(
    with_gemini: Environ, gemini: Gemini, asked: ImageRequest, body: Any
) -> None:
    gemini.next(Answer(200, body))
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(asked)
    assert len(result.images) == 1
    assert "1 of 2 pictures could not be used" in " ".join(result.warnings)


@pytest.mark.parametrize("part", BROKEN)
async def test_a_broken_picture_alone_is_an_answer_that_cannot_be_used(
    with_gemini: Environ, gemini: Gemini, part: Any
) -> None:
    gemini.next(emulated.finished("STOP", None, part))
    async with studio(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.INVALID_RESPONSE, True)


async def test_words_beside_the_picture_are_details(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.next(emulated.finished("STOP", None, {"text": "Here is\nyour fox."}, DRAWN))
    async with studio(PROVIDER, with_gemini) as pipeline:
        assert (await pipeline.run(FOX)).details["text"] == "Here is your fox."


async def test_several_pictures_are_several_calls_that_differ_in_their_seed(
    with_gemini: Environ, gemini: Gemini
) -> None:
    for model in ("gemini-3-pro-image", "gemini-9-image"):
        gemini.reset()
        gemini.next(*[emulated.finished("STOP", None, DRAWN)] * 3)
        async with studio(PROVIDER, with_gemini) as pipeline:
            result = await pipeline.run(ask(model=model, count=3, seed=7))
        assert len(result.images) == 3
        assert sorted(request.json["generationConfig"]["seed"] for request in gemini.requests) == [7, 8, 9]
        assert result.usage is not None
        assert result.usage.output_tokens == 3 * 55


async def test_a_blocked_picture_does_not_take_the_others_with_it(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.next(None, emulated.finished("IMAGE_SAFETY"), None)
    async with studio(PROVIDER, with_gemini, concurrency=1) as pipeline:
        result = await pipeline.run(ask(count=3))
    assert len(result.images) == 2
    assert result.warnings == ("Only 2 of 3 pictures were made: Google answered without a picture (IMAGE_SAFETY).",)


# What a refusal means

REFUSALS: list[tuple[Fault, Reason, int]] = [
    (emulated.wrong_key("AIzaWrong"), Reason.AUTHENTICATION, 1),
    (emulated.trouble(401, "UNAUTHENTICATED", "No credentials."), Reason.AUTHENTICATION, 1),
    (emulated.trouble(402, "PAYMENT_REQUIRED", "Pay first."), Reason.QUOTA_EXCEEDED, 1),
    (emulated.trouble(403, "PERMISSION_DENIED", "No."), Reason.AUTHENTICATION, 1),
    (emulated.trouble(404, "NOT_FOUND", "models/x is not found."), Reason.UNKNOWN_MODEL, 1),
    (emulated.NO_BILLING, Reason.AUTHENTICATION, 1),
    (emulated.NO_FREE_TIER, Reason.QUOTA_EXCEEDED, 1),
    (emulated.invalid("Unsupported aspect ratio."), Reason.INVALID_REQUEST, 1),
    (emulated.REFUSED_PROMPT, Reason.CONTENT_POLICY, 1),
    (emulated.RATE_LIMITED, Reason.RATE_LIMITED, 4),
    (emulated.BROKEN_SERVER, Reason.PROVIDER_UNAVAILABLE, 4),
    (Answer(302, b"", {"location": "https://elsewhere.example/"}), Reason.INVALID_RESPONSE, 1),
    (emulated.BROKEN_JSON, Reason.INVALID_RESPONSE, 1),
    (Answer(200, {}), Reason.INVALID_RESPONSE, 1),
    (Answer(200, {"candidates": []}), Reason.INVALID_RESPONSE, 1),
    (emulated.finished("STOP", None, {"inlineData": {"data": "AAAA"}}), Reason.INVALID_RESPONSE, 1),
    (emulated.finished("STOP", None, {"inlineData": {"data": "!!!!"}}), Reason.INVALID_RESPONSE, 1),
    (Dropped(), Reason.NETWORK_ERROR, 1),
    (Dropped(midway=True), Reason.NETWORK_ERROR, 1),
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("fault", "reason", "requests"), REFUSALS)
async def test_each_failure_has_its_reason_and_only_the_safe_ones_are_repeated(
    with_gemini: Environ, gemini: Gemini, fault: Fault, reason: Reason, requests: int
) -> None:
    gemini.next(*[fault] * 10)
    async with studio(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert caught.value.reason is reason
    assert caught.value.message
    assert caught.value.hint
    assert len(gemini.requests) == requests


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (499, emulated.trouble(499, "CANCELLED", "Gone.").body),
        (503, emulated.OVERLOADED.body),
        (504, emulated.TOO_LATE.body),
        (502, "<html>Bad gateway</html>"),
    ],
)
def test_what_passes_by_itself_may_be_repeated(status: int, body: Any) -> None:
    error = PROVIDER.explain(httpx.Response(status, json=body))
    assert (error.reason, error.retryable) == (Reason.PROVIDER_UNAVAILABLE, True)
    assert str(status) in error.message


SKETCHED = {"text": "Let me draw.", "thought": True}
MODERATION: list[tuple[Answer, Reason, str]] = [
    *(
        (emulated.blocked(word), Reason.CONTENT_POLICY, f"({word})")
        for word in ("SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "JAILBREAK")
    ),
    (emulated.blocked("SAFETY", "Not that."), Reason.CONTENT_POLICY, "(SAFETY): “Not that.”"),
    *(
        (emulated.finished(word, "Not so.", SKETCHED), Reason.CONTENT_POLICY, f"({word}): “Not so.”")
        for word in (
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "SAFETY",
            "PROHIBITED_CONTENT",
            "RECITATION",
            "BLOCKLIST",
            "SPII",
            "MODEL_ARMOR",
            "ESCALATION",
        )
    ),
    *(
        (emulated.finished(word), Reason.INVALID_RESPONSE, f"({word}).")
        for word in ("NO_IMAGE", "IMAGE_OTHER", "OTHER", "MAX_TOKENS", "MALFORMED_RESPONSE", "STOP", "NEWER_THAN_WE")
    ),
    (emulated.finished("LANGUAGE"), Reason.INVALID_REQUEST, "(LANGUAGE)"),
    (emulated.finished("PUP_LIMITED_DISABLED"), Reason.AUTHENTICATION, "(PUP_LIMITED_DISABLED)"),
    (emulated.finished("STOP", None, {"text": "I cannot draw that."}), Reason.CONTENT_POLICY, "“I cannot draw that.”"),
    (emulated.finished("MAX_TOKENS", None, {"text": "Sure, I"}), Reason.INVALID_RESPONSE, "“Sure, I”"),
    (emulated.finished("STOP", None, SKETCHED), Reason.INVALID_RESPONSE, "(STOP)."),
]


@pytest.mark.parametrize(("fault", "reason", "words"), MODERATION)
async def test_an_answer_without_a_picture_tells_why(
    with_gemini: Environ, gemini: Gemini, fault: Answer, reason: Reason, words: str
) -> None:
    gemini.next(fault)
    async with studio(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert caught.value.reason is reason
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.outcome_unknown == (reason is Reason.INVALID_RESPONSE)
    assert caught.value.facts["usage"].input_tokens == 7  # billed all the same
    assert len(gemini.requests) == 1


@pytest.mark.usefixtures("impatient")
async def test_after_a_passing_failure_the_picture_comes(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.next(emulated.BROKEN_SERVER, emulated.RATE_LIMITED)
    async with studio(PROVIDER, with_gemini) as pipeline:
        assert (await pipeline.run(FOX)).images
    assert len(gemini.requests) == 3


@pytest.mark.parametrize(("delay", "seconds"), [("17s", 17), ("36.429760048s", 36.429760048)])
async def test_the_delay_of_a_429_is_read_from_its_details(
    with_gemini: Environ, gemini: Gemini, delay: str, seconds: float
) -> None:
    gemini.next(emulated.rate_limited(delay))
    async with studio(PROVIDER, with_gemini, timeout=5) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert (caught.value.reason, caught.value.retry_after) == (Reason.RATE_LIMITED, seconds)
    assert len(gemini.requests) == 1


@pytest.mark.parametrize("fault", [Slow(1), Drip(every=0.05, length=20)], ids=["silence", "drip"])
async def test_a_timed_out_call_may_be_billed_and_is_not_sent_again(
    with_gemini: Environ, gemini: Gemini, fault: Fault
) -> None:
    gemini.next(fault)
    async with studio(PROVIDER, with_gemini, timeout=0.3) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    assert caught.value.reason is Reason.TIMEOUT
    assert caught.value.outcome_unknown
    assert len(gemini.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        emulated.invalid(f"Bad: {emulated.KEY} asked for a fox in the snow"),
        emulated.wrong_key(emulated.KEY),
        emulated.finished("STOP", None, {"text": "Bad: I will not draw a fox in the snow."}),
    ],
)
async def test_neither_key_nor_prompt_comes_back_in_an_error(
    with_gemini: Environ, gemini: Gemini, fault: Answer
) -> None:
    gemini.next(fault)
    async with studio(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(FOX)
    told = f"{caught.value!r} {caught.value.message} {caught.value.hint} {caught.value.facts}"
    assert gemini.key not in told
    assert "fox" not in told


# What no model of Google offers


@pytest.mark.parametrize(
    "asked",
    [
        {"size": "1024x1024"},
        {"quality": "high"},
        {"style": "vivid"},
        {"background": "transparent"},
        {"output_format": "png"},
        {"negative_prompt": "dogs"},
        {"aspect_ratio": "7:3"},
        {"resolution": "512"},
        {"options": {"temperature": 1}},
        {"model": "gemini-3-pro-image", "aspect_ratio": "1:8"},
        {"model": "gemini-3-pro-image", "options": {"thinking_level": "high"}},
        {"model": "gemini-3.1-flash-lite-image", "resolution": "2k"},
        {"model": "gemini-2.5-flash-image", "resolution": "1k"},
        {"model": "gemini-2.5-flash-image", "sources": (drawing(8, 8),) * 4},
        {"sources": (drawing(8, 8),), "mask": masks.mask(png(8, 8))},
        {"sources": (drawing(8, 8),), "strength": 0.5},
    ],
)
async def test_what_cannot_be_honoured_is_refused_before_anything_is_sent(
    with_gemini: Environ, gemini: Gemini, asked: dict[str, Any]
) -> None:
    async with studio(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ask(**asked))
    assert caught.value.reason is Reason.UNSUPPORTED_OPTION
    assert not gemini.requests


@pytest.mark.parametrize("operation", sorted(set(Operation) - {Operation.GENERATE, Operation.EDIT}))
async def test_only_generate_and_edit_are_offered(with_gemini: Environ, gemini: Gemini, operation: Operation) -> None:
    whole: dict[str, Any] = {"sources": (drawing(8, 8),), "mask": masks.mask(png(8, 8)), "options": {"left": 8}}
    for model in ("gemini", "gemini-9-image"):
        request = ask(model=model, operation=operation, **whole)
        async with studio(PROVIDER, with_gemini) as pipeline:
            with pytest.raises(ImageError) as caught:
                await pipeline.run(request)
        assert caught.value.reason is Reason.UNSUPPORTED_OPERATION
    assert not gemini.requests


# Imagen


def imagen(model: str = "imagen-4.0-generate-001", **asked: Any) -> ImageRequest:
    return ask(model=model, **asked)


def masked(operation: Operation, mask: bytes | None, **asked: Any) -> ImageRequest:
    drawn = masks.mask(mask) if mask else None
    picture = (drawing(64, 48),)
    return imagen(model="imagen-3.0-capability-001", operation=operation, sources=picture, mask=drawn, **asked)


async def test_imagen_is_asked_for_one_picture_and_no_more(with_gemini: Environ, gemini: Gemini) -> None:
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(imagen())
    assert gemini.requests[-1].path == "/v1beta/models/imagen-4.0-generate-001:predict"
    assert gemini.requests[-1].json == {
        "instances": [{"prompt": "a fox in the snow"}],
        "parameters": {"sampleCount": 1, "includeRaiReason": True},
    }
    assert (len(result.images), result.usage) == (1, None)


async def test_imagen_has_more_options(with_gemini: Environ, gemini: Gemini) -> None:
    request = imagen(
        count=3,
        aspect_ratio="16:9",
        resolution="2k",
        negative_prompt="dogs",
        seed=7,
        output_format="jpeg",
        compression=80,
    )
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(request)
    assert gemini.requests[-1].json["parameters"] == {
        "sampleCount": 3,
        "negativePrompt": "dogs",
        "aspectRatio": "16:9",
        "sampleImageSize": "2K",
        "seed": 7,
        "addWatermark": False,
        "outputOptions": {"mimeType": "image/jpeg", "compressionQuality": 80},
        "includeRaiReason": True,
    }
    assert [(i.format, i.picture.width, i.picture.height) for i in result.images] == [("jpeg", 2816, 1536)] * 3
    assert "watermark is off" in result.warnings[-1]


async def test_the_prompt_as_imagen_enhanced_it_comes_back(with_gemini: Environ, gemini: Gemini) -> None:
    request = imagen(model="imagen-9", options={"enhancePrompt": True})
    told = {"bytesBase64Encoded": emulated.drawn((8, 8)), "prompt": "a fox in deep snow"}
    gemini.next(Answer(200, {"predictions": [told]}))
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(request)
    assert gemini.requests[-1].json["parameters"]["enhancePrompt"] is True
    assert result.images[0].prompt_used == "a fox in deep snow"


async def test_pictures_that_imagen_withholds_are_told(with_gemini: Environ, gemini: Gemini) -> None:
    gemini.filtered = 1
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(imagen(count=3))
    assert len(result.images) == 2
    assert "2 of 3 pictures: “58061214: the picture may violate our policies.”" in result.warnings[-1]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (emulated.withheld("58061214: a child.", "39322892: a person."), Reason.CONTENT_POLICY),
        (emulated.withheld(), Reason.INVALID_RESPONSE),
        (Answer(200, {}), Reason.INVALID_RESPONSE),
    ],
)
async def test_an_answer_of_imagen_without_a_picture(
    with_gemini: Environ, gemini: Gemini, fault: Answer, reason: Reason
) -> None:
    gemini.next(fault)
    async with studio(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(imagen())
    assert caught.value.reason is reason
    assert ("39322892: a person." in caught.value.message) == (reason is Reason.CONTENT_POLICY)


def left_and_right(left: Any, right: Any, mode: str = "L") -> bytes:
    """A mask of two halves."""
    image = Image.new(mode, (64, 48), left)
    image.paste(right, (32, 0, 64, 48))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "mask",
    [
        left_and_right(0, 255),
        left_and_right((255, 0, 0, 255), (255, 0, 0, 0), "RGBA"),
        left_and_right(100, 160),
    ],
    ids=["white changes", "transparent changes", "soft"],
)
@pytest.mark.parametrize(
    ("operation", "mode"),
    [
        (Operation.INPAINT, "EDIT_MODE_INPAINT_INSERTION"),
        (Operation.ERASE, "EDIT_MODE_INPAINT_REMOVAL"),
        (Operation.REPLACE_BACKGROUND, "EDIT_MODE_BGSWAP"),
    ],
)
async def test_the_mask_that_arrives_is_not_zero_where_the_picture_changes(
    with_gemini: Environ, gemini: Gemini, mask: bytes, operation: Operation, mode: str
) -> None:
    async with studio(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(masked(operation, mask))
    body = gemini.requests[-1].json
    raw, drawn = body["instances"][0]["referenceImages"]
    assert body["parameters"]["editMode"] == mode
    assert (raw["referenceType"], raw["referenceId"]) == ("REFERENCE_TYPE_RAW", 1)
    assert carried(raw["referenceImage"]) == drawing(64, 48).image_bytes
    assert (drawn["referenceType"], drawn["referenceId"]) == ("REFERENCE_TYPE_MASK", 2)
    assert drawn["maskImageConfig"] == {"maskMode": "MASK_MODE_USER_PROVIDED"}
    with Image.open(io.BytesIO(carried(drawn["referenceImage"]))) as arrived:
        assert (arrived.format, arrived.size) == ("PNG", (64, 48))
        assert arrived.getcolors() == [(32 * 48, 0), (32 * 48, 255)]
        assert (arrived.getpixel((31, 20)), arrived.getpixel((32, 20))) == (0, 255)
    assert (result.images[0].picture.width, result.images[0].picture.height) == (64, 48)


async def test_imagen_finds_the_background_by_itself(with_gemini: Environ, gemini: Gemini) -> None:
    async with studio(PROVIDER, with_gemini) as pipeline:
        await pipeline.run(masked(Operation.REPLACE_BACKGROUND, None))
    _, own = gemini.requests[-1].json["instances"][0]["referenceImages"]
    assert own == {
        "referenceType": "REFERENCE_TYPE_MASK",
        "referenceId": 2,
        "maskImageConfig": {"maskMode": "MASK_MODE_BACKGROUND"},
    }


@pytest.mark.parametrize(
    ("operation", "words"), [(Operation.INPAINT, "There is no mask"), (Operation.ERASE, "cannot erase without a mask")]
)
async def test_without_a_mask_imagen_has_nothing_to_change(
    with_gemini: Environ, gemini: Gemini, operation: Operation, words: str
) -> None:
    async with studio(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError, match=words) as caught:
            await pipeline.run(masked(operation, None))
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert not gemini.requests


async def test_erasing_needs_no_prompt(with_gemini: Environ, gemini: Gemini) -> None:
    async with studio(PROVIDER, with_gemini) as pipeline:
        assert (await pipeline.run(masked(Operation.ERASE, png(64, 48, 255, "L"), prompt=""))).images
    assert gemini.requests[-1].json["instances"][0]["prompt"] == ""


# Names and lifecycles


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("gemini", MODEL),
        ("google", MODEL),
        ("google/gemini-3-pro-image", "gemini-3-pro-image"),
        ("nano-banana", MODEL),
        ("nano-banana-2", "gemini-3.1-flash-image"),
        ("nano-banana-2-lite", "gemini-3.1-flash-lite-image"),
        ("nano-banana-pro", "gemini-3-pro-image"),
        ("nano-banana-pro-preview", "gemini-3-pro-image"),
        ("imagen", "imagen-4.0-generate-001"),
        ("gemini-9-image", "gemini-9-image"),
        ("imagen-9", "imagen-9"),
    ],
)
async def test_names(name: str, id: str) -> None:
    assert studio(PROVIDER, {}).catalog.resolve(name).model.id == id


RETIRED = [model for model in MODELS if model.lifecycle.stage == "retired"]


@pytest.mark.parametrize("model", RETIRED, ids=lambda model: model.id)
async def test_a_retired_model_is_refused_on_googles_host_and_tried_on_another(model: Any) -> None:
    operation = Operation.REPLACE_BACKGROUND if model.max_sources == 1 else Operation.GENERATE
    given = (drawing(64, 48),) if model.max_sources == 1 else ()
    request = imagen(model=model.id, operation=operation, sources=given)
    with pytest.raises(ImageError) as caught:
        studio(PROVIDER, {}).admit(request)
    assert caught.value.reason is Reason.MODEL_RETIRED
    assert LISTED[caught.value.facts["successor"]].lifecycle.stage == "current"
    elsewhere = studio(PROVIDER, {"GOOGLE_GEMINI_BASE_URL": "https://gateway.example"})
    assert "custom base URL" in elsewhere.admit(request).warnings[0]
    assert str(elsewhere.prepare(request).url).startswith("https://gateway.example/v1beta/models/")


def test_the_days_on_which_models_ended() -> None:
    days = {model.id: (model.lifecycle.on, model.lifecycle.successor) for model in RETIRED}
    assert days["imagen-4.0-ultra-generate-001"] == (date(2026, 8, 17), "gemini-3-pro-image")
    assert days["imagen-4.0-generate-001"] == days["imagen-3.0-capability-001"] == (date(2026, 8, 17), MODEL)
    assert days["imagen-3.0-generate-002"] == (date(2025, 11, 10), MODEL)
    assert days["gemini-3-pro-image-preview"] == (date(2026, 6, 25), "gemini-3-pro-image")
    assert days["gemini-2.0-flash-exp-image-generation"] == (date(2025, 11, 14), MODEL)


def test_a_fading_model_works_with_a_warning_and_dies_by_itself() -> None:
    request = ImageRequest(prompt="a fox", model="gemini-2.5-flash-image")
    (warning,) = studio(PROVIDER, {}, today=date(2027, 3, 14)).admit(request).warnings
    assert "ends on 2027-03-15" in warning
    assert MODEL in warning
    with pytest.raises(ImageError) as caught:
        studio(PROVIDER, {}, today=date(2027, 3, 15)).admit(request)
    assert caught.value.reason is Reason.MODEL_RETIRED
    (undated,) = studio(PROVIDER, {}).admit(ImageRequest(prompt="a fox", model="nano-banana-2")).warnings
    assert "not yet named" in undated


# Models that are not listed


async def test_an_unlisted_model_gets_what_its_api_has_words_for() -> None:
    pipeline = studio(PROVIDER, {})
    newer = ImageRequest(
        prompt="a fox", model="gemini-9-image", aspect_ratio="5:2", resolution="8k", seed=7, options={"topK": 3}
    )
    sent = pipeline.prepare(newer)
    assert sent.url.path == "/v1beta/models/gemini-9-image:generateContent"
    assert json.loads(sent.content) == content(
        {"text": "a fox"}, imageConfig={"aspectRatio": "5:2", "imageSize": "8K"}, seed=7, topK=3
    )
    older = pipeline.prepare(imagen(model="imagen-9", count=2, negative_prompt="dogs"))
    assert older.url.path == "/v1beta/models/imagen-9:predict"
    assert json.loads(older.content)["parameters"]["negativePrompt"] == "dogs"


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "gemini-9-image", "negative_prompt": "dogs"},
        {"model": "gemini-9-image", "output_format": "png"},
        {"model": "gemini-9-image", "sources": (drawing(8, 8),), "mask": masks.mask(png(8, 8))},
        {"model": "imagen-9", "quality": "high"},
        {"model": "imagen-9", "operation": Operation.UPSCALE, "sources": (drawing(8, 8),)},
    ],
)
async def test_what_an_unlisted_model_cannot_be_told_is_refused_and_not_dropped(
    with_gemini: Environ, gemini: Gemini, asked: dict[str, Any]
) -> None:
    async with studio(PROVIDER, with_gemini) as pipeline:
        with pytest.raises(ImageError):
            await pipeline.run(ask(**asked))
    assert not gemini.requests


async def test_a_name_cannot_lead_elsewhere_on_the_host() -> None:
    for name in ("google/../../v1/files?x=1#", "google/a/../../files", "gemini-x?key=1", "gemini-x y"):
        with pytest.raises(ImageError) as caught:
            studio(PROVIDER, {}).prepare(ImageRequest(prompt="a fox", model=name))
        assert caught.value.reason is Reason.UNKNOWN_MODEL
