"""The emulator is proven by the vendor's SDK, which speaks the first API, and by plain HTTP for the second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from leonardo_ai_sdk import LeonardoAiSDK
from leonardo_ai_sdk.models.errors import SDKError
from leonardo_ai_sdk.models.shared import PricingCalculatorServices

from atelier.providers.testing.emulators.leonardo import Leonardo
from atelier.providers.testing.fixtures import served
from atelier.providers.transport.wire import httpx
from tests.conftest import png

KINO = "aa77f04e-3eec-4034-9c07-d0f619684628"


@pytest.fixture
def leonardo() -> Iterator[Leonardo]:
    yield from served(Leonardo())


def sdk(leonardo: Leonardo, key: str = "") -> LeonardoAiSDK:
    return LeonardoAiSDK(bearer_auth=key or leonardo.key, server_url=f"{leonardo.url}/v1")


def plain(answer: Any) -> Any:
    """The body of an answer of the SDK, which has checked it."""
    return answer.object.model_dump(mode="json", by_alias=True)


def test_the_sdk_generates_and_reads_a_job(leonardo: Leonardo) -> None:
    leonardo.waits = 1
    with sdk(leonardo) as client:
        made = plain(
            client.image.create_generation(
                request={"prompt": "a fox", "model_id": KINO, "num_images": 2, "width": 512, "height": 512}
            )
        )["sdGenerationJob"]
        states = [plain(client.image.get_generation_by_id(id=made["generationId"])) for _ in range(2)]
    found = [state["generations_by_pk"] for state in states]
    assert [each["status"] for each in found] == ["PENDING", "COMPLETE"]
    assert len(found[-1]["generated_images"]) == 2
    assert httpx.get(found[-1]["generated_images"][0]["url"]).headers["content-type"] == "image/jpeg"
    assert made["cost"] == {"amount": "0.0294", "unit": "DOLLARS"}


def test_without_a_count_the_vendor_makes_four(leonardo: Leonardo) -> None:
    with sdk(leonardo) as client:
        client.image.create_generation(request={"prompt": "a fox", "model_id": KINO})
    assert leonardo.billed[0].pictures == 4


def test_the_sdk_uploads_by_a_form_that_must_not_have_the_key(leonardo: Leonardo) -> None:
    with sdk(leonardo) as client:
        place = plain(client.init_images.upload_init_image(request={"extension": "png"}))["uploadInitImage"]
        parts: dict[str, Any] = {name: (None, value) for name, value in json.loads(place["fields"]).items()}
        parts["file"] = ("a.png", png(64, 64), "image/png")
        key = {"authorization": f"Bearer {leonardo.key}"}
        assert httpx.post(place["url"], files=parts, headers=key).status_code == 400
        assert httpx.post(place["url"], files=parts).status_code == 204
        client.image.create_generation(
            request={"prompt": "a fox", "model_id": KINO, "num_images": 1, "init_image_id": place["id"]}
        )
    assert len(leonardo.billed) == 1


def test_the_sdk_asks_for_a_price_and_upscales(leonardo: Leonardo) -> None:
    parameters: Any = {"image_generation": {"num_images": 2, "is_sdxl": True, "image_width": 512}}
    service = PricingCalculatorServices.IMAGE_GENERATION
    with sdk(leonardo) as client:
        priced = client.pricing_calculator.pricing_calculator(
            request={"service": service, "service_params": parameters}
        )
        assert plain(priced)["calculateProductionApiServiceCost"]["cost"] == 14
        assert leonardo.billed == []
        upscaled = client.variation.create_universal_upscaler_job(request={"generated_image_id": "image-of-the-house"})
    assert plain(upscaled)["universalUpscaler"]["id"]


def test_a_wrong_key_and_a_wrong_model_are_refused(leonardo: Leonardo) -> None:
    with sdk(leonardo, "wrong") as client, pytest.raises(SDKError) as denied:
        client.image.create_generation(request={"prompt": "a fox"})
    with sdk(leonardo) as client, pytest.raises(SDKError) as refused:
        client.image.create_generation(request={"prompt": "a fox", "model_id": "no-such-model"})
    assert (denied.value.raw_response.status_code, refused.value.raw_response.status_code) == (401, 400)
    assert leonardo.billed == []


@pytest.mark.parametrize("flat", [True, False])
def test_the_second_api_answers_flat_or_wrapped_and_refuses_unknown_keys_with_an_array(
    leonardo: Leonardo, flat: bool
) -> None:
    leonardo.flat = flat
    headers = {"authorization": f"Bearer {leonardo.key}"}
    body = {"model": "gpt-image-2", "public": False, "parameters": {"prompt": "a fox", "quantity": 1}}
    made = httpx.post(f"{leonardo.url}/v2/generations", headers=headers, json=body).json()
    assert ("generationId" in made) == flat
    body["parameters"] = {"prompt": "a fox", "steps": 3}
    refused = httpx.post(f"{leonardo.url}/v2/generations", headers=headers, json=body)
    assert (refused.status_code, type(refused.json())) == (200, list)
    assert len(leonardo.billed) == 1
