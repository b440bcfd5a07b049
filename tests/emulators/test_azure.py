"""The emulator is proven by the vendor's client `AzureOpenAI`, with a key and a token, by both kinds of URL."""

from __future__ import annotations

from collections.abc import Iterator

import openai as sdk
import pytest

from atelier.providers.testing.emulators.azure import FILTERED, MODERATED, TOKEN, Azure
from atelier.providers.testing.fixtures import served
from tests.conftest import png

VERSION = "2025-04-01-preview"


@pytest.fixture
def azure() -> Iterator[Azure]:
    yield from served(Azure())


def test_the_client_generates_and_edits_at_the_deployments_url_with_a_key(azure: Azure) -> None:
    with sdk.AzureOpenAI(azure_endpoint=azure.url, api_key=azure.key, api_version=VERSION, max_retries=0) as client:
        made = client.images.generate(model="painter", prompt="a fox", quality="low")
        edited = client.images.edit(model="fast", image=png(64, 64), prompt="a hat")
    assert made.data
    assert edited.data
    assert [request.path for request in azure.requests] == [
        "/openai/deployments/painter/images/generations",
        "/openai/deployments/fast/images/edits",
    ]


def test_the_client_generates_with_an_entra_token_and_by_the_v1_path(azure: Azure) -> None:
    with sdk.AzureOpenAI(azure_endpoint=azure.url, azure_ad_token=TOKEN, api_version=VERSION, max_retries=0) as client:
        assert client.images.generate(model="painter", prompt="a fox").data
    with sdk.OpenAI(base_url=f"{azure.url}/openai/v1", api_key=TOKEN, max_retries=0) as client:
        assert client.images.generate(model="painter", prompt="a fox").data
    assert azure.requests[-1].path == "/openai/v1/images/generations"


def test_failures_are_the_clients_exceptions(azure: Azure) -> None:
    def client(key: str = azure.key, version: str = VERSION) -> sdk.AzureOpenAI:
        return sdk.AzureOpenAI(azure_endpoint=azure.url, api_key=key, api_version=version, max_retries=0)

    with client("wrong") as wrong, pytest.raises(sdk.AuthenticationError):
        wrong.images.generate(model="painter", prompt="a fox")
    with client(version="1999-01-01") as wrong, pytest.raises(sdk.NotFoundError):
        wrong.images.generate(model="painter", prompt="a fox")
    azure.next(None, MODERATED, FILTERED)
    with client() as right:
        with pytest.raises(sdk.NotFoundError) as missing:
            right.images.generate(model="no-such-deployment", prompt="a fox")
        assert missing.value.code == "DeploymentNotFound"
        for code in ("contentFilter", "content_policy_violation"):
            with pytest.raises(sdk.BadRequestError) as caught:
                right.images.generate(model="painter", prompt="a fox")
            assert caught.value.code == code
