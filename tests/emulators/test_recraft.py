"""The emulator is proven by OpenAI's client, which the vendor's docs use, and by plain HTTP for the tools."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import openai as sdk
import pytest
from PIL import Image

from atelier.providers.testing.emulators.recraft import NO_CREDITS, Recraft
from atelier.providers.testing.fixtures import served
from atelier.providers.transport.wire import httpx
from tests.conftest import png


@pytest.fixture
def recraft() -> Iterator[Recraft]:
    yield from served(Recraft())


def client(recraft: Recraft, key: str = "") -> sdk.OpenAI:
    return sdk.OpenAI(api_key=key or recraft.key, base_url=recraft.url, max_retries=0, timeout=10)


def test_openais_client_generates_by_link_and_by_base64(recraft: Recraft) -> None:
    with client(recraft) as openai:
        linked = openai.images.generate(model="recraftv3", prompt="a fox", n=2, extra_body={"style": "realistic_image"})
        inline = openai.images.generate(
            model="recraftv4_1", prompt="a fox", response_format="b64_json", size="1024x1024"
        )
    assert linked.data is not None
    assert inline.data is not None
    fetched = httpx.get(str(linked.data[0].url), follow_redirects=True)
    for data in (fetched.content, base64.b64decode(inline.data[0].b64_json or "")):
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "WEBP"
    assert len(linked.data) == 2
    assert [str(bill.usd) for bill in recraft.billed] == ["0.08", "0.035"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "recraftv4_1", "style": "realistic_image"},
        {"model": "recraftv9"},
        {"n": 7},
        {"prompt": "x" * 10_001},
        {"unheard": 1},
    ],
)
def test_what_the_vendor_refuses_is_a_bad_request(recraft: Recraft, fields: dict[str, Any]) -> None:
    with client(recraft) as openai, pytest.raises(sdk.BadRequestError):
        openai.images.generate(prompt=fields.pop("prompt", "a fox"), extra_body=fields)
    assert recraft.billed == []


def test_a_wrong_key_and_no_credit_are_what_they_are(recraft: Recraft) -> None:
    with client(recraft, "wrong") as openai, pytest.raises(sdk.AuthenticationError):
        openai.images.generate(prompt="a fox")
    recraft.next(NO_CREDITS)
    with client(recraft) as openai, pytest.raises(sdk.APIStatusError) as caught:
        openai.images.generate(prompt="a fox")
    assert caught.value.status_code == 402


def test_a_tool_takes_a_file_and_answers_with_one_image(recraft: Recraft) -> None:
    answer = httpx.post(
        f"{recraft.url}/images/crispUpscale",
        headers={"authorization": f"Bearer {recraft.key}"},
        files={"file": ("a.png", png(256, 256), "image/png")},
    )
    assert answer.json()["credits"] == 4
    assert answer.json()["image"]["url"].startswith("http://127.0.0.1")
