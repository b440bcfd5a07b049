"""The emulator is proven by OpenAI's client, which LiteLLM's docs use for its proxy."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import openai as sdk
import pytest
from PIL import Image

from atelier.providers.testing.emulators.litellm import MODERATED, NO_BUDGET, LiteLLM
from atelier.providers.testing.fixtures import served
from tests.conftest import png


@pytest.fixture
def litellm() -> Iterator[LiteLLM]:
    yield from served(LiteLLM())


def client(litellm: LiteLLM, key: str = "") -> sdk.OpenAI:
    return sdk.OpenAI(api_key=key or litellm.key, base_url=litellm.url, max_retries=0, timeout=10)


def test_openais_client_generates_by_the_proxys_name_and_reads_the_cost(litellm: LiteLLM) -> None:
    with client(litellm) as openai:
        raw = openai.images.with_raw_response.generate(model="draw", prompt="a fox", quality="low")
        assert "draw" in [model.id for model in openai.models.list()]
        edited = openai.images.edit(model="draw-new", image=png(64, 64), prompt="a hat")
    answer = raw.parse()
    assert answer.data
    assert edited.data
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json or ""))) as image:
        assert image.size == (1024, 1024)
    assert raw.headers["x-litellm-response-cost"] == str(litellm.billed[0].usd)


def test_failures_are_the_clients_exceptions(litellm: LiteLLM) -> None:
    with client(litellm, "sk-wrong") as openai, pytest.raises(sdk.AuthenticationError):
        openai.images.generate(model="draw", prompt="a fox")
    litellm.next(MODERATED, NO_BUDGET)
    with client(litellm) as openai:
        for word in ("ContentPolicyViolationError", "Budget has been exceeded", "Invalid model name"):
            with pytest.raises(sdk.BadRequestError, match=word):
                openai.images.generate(model="no-such-model", prompt="a fox")
