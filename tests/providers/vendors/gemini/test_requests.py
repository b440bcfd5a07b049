"""What Google is sent: only what was asked, in its own words, as its own client says it."""

from __future__ import annotations

import json

import pytest

from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.testing.emulators import gemini_rules as emulated
from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.vendors.gemini import PROVIDER
from tests.conftest import Environ
from tests.providers.vendors.gemini.conftest import FOX, MODEL, carried, content, drawing
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

PATH = f"/v1beta/models/{MODEL}:generateContent"


async def test_only_what_was_asked_is_on_the_wire(with_gemini: Environ, gemini: Gemini) -> None:
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
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
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
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
    prepared = open_pipeline(PROVIDER, {}).prepare(request)
    assert json.loads(prepared.content)["generationConfig"]["imageConfig"] == {"imageSize": sent}


async def test_source_pictures_arrive_untouched_and_in_order(with_gemini: Environ, gemini: Gemini) -> None:
    first, second = drawing(64, 64), drawing(96, 64, "WEBP")
    request = ImageRequest(operation=Operation.EDIT, prompt="join them", model="gemini", sources=(first, second))
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
        result = await pipeline.run(request)
    text, *images = gemini.requests[-1].json["contents"][0]["parts"]
    assert text == {"text": "join them"}
    assert [image["inlineData"]["mimeType"] for image in images] == ["image/png", "image/webp"]
    assert [carried(image["inlineData"]) for image in images] == [first.image_bytes, second.image_bytes]
    assert (result.images[0].picture.width, result.images[0].picture.height) == (1264, 848)


async def test_what_is_prepared_is_what_is_fired_and_bears_no_key(with_gemini: Environ, gemini: Gemini) -> None:
    request = ImageRequest(operation=Operation.EDIT, prompt="a hat", model="gemini", sources=(drawing(8, 8),), seed=1)
    async with open_pipeline(PROVIDER, with_gemini) as pipeline:
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
    prepared = open_pipeline(PROVIDER, {}).prepare(FOX)
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
    async with open_pipeline(PROVIDER, with_gemini | keys) as pipeline:
        assert (await pipeline.run(FOX)).images


async def test_the_vendors_own_client_asks_in_the_same_words(with_gemini: Environ, gemini: Gemini) -> None:
    from google import genai
    from google.genai import types

    picture = drawing(16, 16)
    request = ImageRequest(
        operation=Operation.EDIT, prompt="a hat", model="gemini", aspect_ratio="3:2", seed=7, sources=(picture,)
    )
    ours = open_pipeline(PROVIDER, with_gemini).prepare(request)
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
