"""The emulator is proven by AWS's own client, which signs its requests, or sends an API key."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3  # pyright: ignore[reportMissingTypeStubs]
import pytest
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]
from botocore.exceptions import ClientError  # pyright: ignore[reportMissingTypeStubs]
from PIL import Image

from atelier.providers.testing.emulators.bedrock import ACCESS_KEY, REGION, SECRET_KEY, Bedrock
from atelier.providers.testing.fixtures import served
from atelier.providers.transport.wire import httpx
from tests.conftest import png

CORE, INPAINT = "stability.stable-image-core-v1:1", "us.stability.stable-image-inpaint-v1:0"


@pytest.fixture
def bedrock() -> Iterator[Bedrock]:
    yield from served(Bedrock())


def client(bedrock: Bedrock, secret: str = SECRET_KEY, token: str | None = None) -> Any:
    once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    session: Any = boto3.Session(ACCESS_KEY, secret, token, region_name=REGION)
    return session.client("bedrock-runtime", endpoint_url=bedrock.url, config=once)


def invoke(aws: Any, model: str, **body: Any) -> dict[str, Any]:
    answer = aws.invoke_model(
        modelId=model, body=json.dumps(body), contentType="application/json", accept="application/json"
    )
    return json.loads(answer["body"].read())


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_signed_request_gets_an_image_of_its_own_size(bedrock: Bedrock) -> None:
    aws = client(bedrock)
    made = invoke(aws, CORE, prompt="a fox", aspect_ratio="16:9", seed=7)
    assert (made["seeds"], made["finish_reasons"]) == ([7], [None])
    changed = invoke(aws, INPAINT, prompt="a hat", image=b64(png(256, 128)), mask=b64(png(256, 128, "white", "L")))
    with Image.open(io.BytesIO(base64.b64decode(changed["images"][0]))) as image:
        assert image.size == (256, 128)
    assert [str(bill.usd) for bill in bedrock.billed] == ["0.04", "0.07"]


@pytest.mark.parametrize(("key", "status"), [("", 200), ("another", 403)])
def test_an_api_key_is_accepted_in_place_of_a_signature(bedrock: Bedrock, key: str, status: int) -> None:
    """By plain HTTP, since AWS's client sends a key by https only."""
    url, headers = f"{bedrock.url}/model/{CORE}/invoke", {"authorization": f"Bearer {key or bedrock.key}"}
    answer = httpx.post(url, json={"prompt": "a fox"}, headers=headers)
    assert (answer.status_code, "images" in answer.json()) == (status, status == 200)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"secret": "wrong"}, "InvalidSignatureException"),
        ({"token": "unexpected"}, "UnrecognizedClientException"),
    ],
)
def test_a_signature_by_other_credentials_is_refused(bedrock: Bedrock, options: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        invoke(client(bedrock, **options), CORE, prompt="a fox")
    assert bedrock.billed == []


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (CORE, {"prompt": "a fox", "cfg_scale": 3}),
        (CORE, {"prompt": "a fox", "output_format": "webp"}),
        (CORE, {"prompt": "a fox", "aspect_ratio": "7:1"}),
        (INPAINT, {"prompt": "a fox"}),
        ("amazon.nova-canvas-v1:0", {"prompt": "a fox"}),
    ],
)
def test_what_the_vendor_refuses_is_refused(bedrock: Bedrock, model: str, body: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        invoke(client(bedrock), model, **body)
    assert bedrock.billed == []
