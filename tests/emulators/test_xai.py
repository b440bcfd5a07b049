"""The emulator is proven by clients that share nothing with ours: OpenAI's for generations, a few lines for edits.

xAI's docs recommend OpenAI's client for generations and warn of it for edits, which it sends as multipart. xAI's own
speaks gRPC only and cannot reach an HTTP server.
"""

from __future__ import annotations

import base64
import io
import json
import urllib.error
import urllib.request
from typing import Any

import openai as sdk
import pytest
from openai.types import ImagesResponse
from PIL import Image

from atelier.providers.testing.emulators import xai_rules as emulated
from atelier.providers.testing.emulators.xai import XAI
from atelier.providers.testing.server import Answer, Dropped, Slow
from tests.conftest import png


def client(xai: XAI, key: str | None = None, timeout: float = 10.0) -> sdk.OpenAI:
    return sdk.OpenAI(api_key=key or xai.key, base_url=xai.url, max_retries=0, timeout=timeout)


def generated(
    xai: XAI, model: str = "grok-imagine-image-2.0", key: str | None = None, timeout: float = 10.0, **fields: Any
) -> ImagesResponse:
    with client(xai, key, timeout) as openai:
        return openai.images.generate(model=model, prompt="a fox", extra_body=fields)


def looked_at(data: bytes) -> tuple[str | None, tuple[int, int]]:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.format, picture.size


def fetched(url: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return answer.read()


def edited(xai: XAI, key: str | None = None, **body: Any) -> tuple[int, dict[str, Any]]:
    """A JSON edit by the standard library alone."""
    headers = {"authorization": f"Bearer {key or xai.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{xai.url}/images/edits", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def data_url(data: bytes, kind: str = "image/png") -> dict[str, str]:
    return {"url": f"data:{kind};base64,{base64.b64encode(data).decode()}", "type": "image_url"}


def test_openais_client_gets_pictures_as_base64_with_the_cost(xai: XAI) -> None:
    with client(xai) as openai:
        answer = openai.images.generate(
            model="grok-imagine-image-2.0",
            prompt="a fox",
            n=2,
            response_format="b64_json",
            extra_body={"aspect_ratio": "16:9", "resolution": "2k", "quality": "medium"},
        )
    assert answer.data is not None
    assert [looked_at(base64.b64decode(item.b64_json or "")) for item in answer.data] == [("JPEG", (2736, 1536))] * 2
    assert answer.model_extra is not None
    assert answer.model_extra["model"] == "grok-imagine-image-2.0"
    assert answer.usage is not None
    assert answer.usage.model_extra == {"cost_in_usd_ticks": 1_600_000_000}
    assert answer._request_id == "req_emulated_1"  # pyright: ignore[reportPrivateUsage]
    assert xai.dropped == []


def test_a_link_is_the_default_and_works_only_without_the_key(xai: XAI) -> None:
    answer = generated(xai)
    assert answer.data is not None
    url = answer.data[0].url or ""
    assert looked_at(fetched(url)) == ("JPEG", (1024, 1024))
    with pytest.raises(urllib.error.HTTPError) as shown:
        fetched(url, authorization=f"Bearer {xai.key}")
    with shown.value:
        assert shown.value.code == 400
    xai.expired = True
    with pytest.raises(urllib.error.HTTPError) as late:
        fetched(url)
    with late.value:
        assert late.value.code == 404


def test_a_redirected_model_is_served_and_billed_as_the_latest_at_low(xai: XAI) -> None:
    answer = generated(xai, "grok-imagine-image-pro")
    assert answer.model_extra is not None
    assert answer.usage is not None
    assert answer.model_extra["model"] == "grok-imagine-image-2.0"
    assert answer.usage.model_extra == {"cost_in_usd_ticks": 400_000_000}


def test_what_auto_costs_depends_on_the_call(xai: XAI) -> None:
    answer = generated(xai)
    assert answer.usage is not None
    assert answer.usage.model_extra == {"cost_in_usd_ticks": 400_000_000}
    _, edit = edited(xai, model="grok-imagine-image-2.0", prompt="a hat", image=data_url(png(64, 64)))
    assert edit["usage"] == {"cost_in_usd_ticks": 700_000_000}


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        ("grok-imagine-image-2.0", "size", "1024x1024"),
        ("grok-imagine-image-2.0", "style", "vivid"),
        ("grok-imagine-image", "quality", "low"),
        ("grok-imagine-image", "aspect_ratio", "21:9"),
        ("grok-imagine-image-2.0", "aspect_ratio", "7:5"),
        ("grok-imagine-image-2.0", "quality", "high"),
        ("grok-imagine-image-2.0", "resolution", "4k"),
        ("grok-imagine-image-2.0", "n", 11),
        ("grok-imagine-image-2.0", "prompt", "x" * 8001),
    ],
)
def test_what_the_vendor_refuses_is_a_bad_request(xai: XAI, model: str, field: str, value: Any) -> None:
    with pytest.raises(sdk.BadRequestError):
        generated(xai, model, **{field: value})


def test_what_the_vendor_does_not_know_is_dropped_and_billed(xai: XAI) -> None:
    extra: dict[str, Any] = {"image": data_url(png(8, 8)), "seed": 1, "negative_prompt": "dogs"}
    answer = generated(xai, **extra)
    assert answer.data is not None
    assert len(answer.data) == 1
    assert xai.dropped == ["image", "seed", "negative_prompt"]


def test_a_wrong_key_is_a_bad_request_and_no_key_is_unauthorized(xai: XAI) -> None:
    with pytest.raises(sdk.BadRequestError) as wrong:
        generated(xai, key="xai-wrong")
    assert "Incorrect API key" in str(wrong.value.body)
    with pytest.raises(urllib.error.HTTPError) as none:
        fetched(f"{xai.url}/image-generation-models")
    with none.value:
        assert none.value.code == 401


def test_an_unknown_model_is_not_found(xai: XAI) -> None:
    with pytest.raises(sdk.NotFoundError):
        generated(xai, "grok-2-image")


def test_openais_client_cannot_edit_because_it_sends_multipart(xai: XAI) -> None:
    with client(xai) as openai, pytest.raises(sdk.APIStatusError) as caught:
        openai.images.edit(model="grok-imagine-image-2.0", prompt="a hat", image=("a.png", png(8, 8)))
    assert caught.value.status_code == 415


def test_an_edit_takes_one_picture_or_several_and_follows_the_first(xai: XAI) -> None:
    wide, tall = data_url(png(200, 100)), data_url(png(100, 200))
    status, answer = edited(
        xai, model="grok-imagine-image-2.0", prompt="a hat", image=wide, quality="low", response_format="b64_json"
    )
    assert status == 200
    assert looked_at(base64.b64decode(answer["data"][0]["b64_json"])) == ("JPEG", (1456, 720))
    assert answer["usage"] == {"cost_in_usd_ticks": 500_000_000}
    status, answer = edited(
        xai, model="grok-imagine-image-2.0", prompt="a hat", images=[tall, wide], response_format="b64_json"
    )
    assert looked_at(base64.b64decode(answer["data"][0]["b64_json"])) == ("JPEG", (720, 1456))
    assert [image.size for image in xai.sources] == [(100, 200), (200, 100)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"image": data_url(b"GIF89a", "image/gif")}, 400),
        ({"image": data_url(b"\x89PNG broken")}, 400),
        ({"image": data_url(png(8, 8), "image/jpeg")}, 400),
        ({"image": data_url(png(8, 8)) | {"type": "file"}}, 400),
        ({"image": data_url(png(8, 8)), "images": [data_url(png(8, 8))]}, 400),
        ({"images": [data_url(png(8, 8))] * 6}, 400),
        ({"images": [data_url(png(8, 8))] * 4, "model": "grok-imagine-image"}, 400),
        ({"images": []}, 400),
        ({"image": "https://example.org/a.png"}, 422),
        ({"image": data_url(png(8, 8)), "prompt": ""}, 422),
    ],
)
def test_an_edit_without_usable_pictures_is_refused(xai: XAI, body: dict[str, Any], status: int) -> None:
    got, answer = edited(xai, **{"model": "grok-imagine-image-2.0", "prompt": "a hat", **body})
    assert got == status
    assert answer["error"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (emulated.MODERATED, sdk.BadRequestError),
        (emulated.MODERATED_FREE, sdk.BadRequestError),
        (emulated.BLOCKED_KEY, sdk.PermissionDeniedError),
        (emulated.NO_CREDITS, sdk.PermissionDeniedError),
        (emulated.SPENT, sdk.RateLimitError),
        (emulated.RATE_LIMITED, sdk.RateLimitError),
        (emulated.BROKEN_SERVER, sdk.InternalServerError),
        (emulated.OVERLOADED, sdk.InternalServerError),
    ],
)
def test_scripted_refusals_arrive_as_typed_exceptions(xai: XAI, fault: Answer, error: type[sdk.APIStatusError]) -> None:
    xai.next(fault)
    with pytest.raises(error) as caught:
        generated(xai)
    assert caught.value.request_id == "req_trouble"


def test_moderation_dressed_as_success_is_no_error_to_openais_client(xai: XAI) -> None:
    xai.withheld = 1
    answer = generated(xai, response_format="b64_json")
    assert answer.data is not None
    assert answer.data[0].b64_json == ""
    assert answer.data[0].model_extra is not None
    assert answer.data[0].model_extra["respect_moderation"] is False


def test_a_dropped_connection_and_a_slow_answer_are_what_they_are(xai: XAI) -> None:
    xai.next(Dropped(), Slow(0.5))
    with pytest.raises(sdk.APIConnectionError):
        generated(xai)
    with pytest.raises(sdk.APITimeoutError):
        generated(xai, timeout=0.2)
