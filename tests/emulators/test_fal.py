"""The emulator is proven by fal's own client, whose scheme is https for good: its transport leads to the emulator."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import fal_client
import httpx
import pytest
from PIL import Image

from atelier.providers.testing.emulators import fal as emulated
from atelier.providers.testing.emulators.fal import Fal
from atelier.providers.testing.fixtures import served
from tests.conftest import png


class ToTheEmulator(httpx.HTTPTransport):
    """Sends what is for queue.fal.run to the emulator."""

    def __init__(self, fal: Fal) -> None:
        super().__init__()
        self.fal = fal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "queue.fal.run":
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self.fal.port)
            request.headers["host"] = f"127.0.0.1:{self.fal.port}"
        return super().handle_request(request)


@pytest.fixture
def fal() -> Iterator[Fal]:
    yield from served(Fal())


@contextmanager
def client(fal: Fal, key: str | None = None) -> Generator[fal_client.SyncClient]:
    made, headers = fal_client.SyncClient(key=key or fal.key), {"authorization": f"Key {key or fal.key}"}
    with httpx.Client(transport=ToTheEmulator(fal), headers=headers) as http:
        vars(made)["_client"] = http
        yield made


def subscribed(fal: Fal, endpoint: str, arguments: dict[str, Any], **options: Any) -> dict[str, Any]:
    with client(fal) as sdk:
        return sdk.subscribe(endpoint, arguments, **options)


def fetched(url: str) -> Image.Image:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return Image.open(io.BytesIO(answer.read()))


def test_a_subscription_waits_in_the_queue_and_gives_links(fal: Fal) -> None:
    seen = list[str]()

    def on_queue_update(status: fal_client.Status) -> None:
        seen.append(type(status).__name__)

    size = {"width": 512, "height": 768}
    result = subscribed(
        fal,
        "fal-ai/flux/dev",
        {"prompt": "a fox", "image_size": size, "num_images": 2},
        on_queue_update=on_queue_update,
    )
    assert list(dict.fromkeys(seen)) == ["Queued", "InProgress", "Completed"]
    assert [fetched(image["url"]).size for image in result["images"]] == [(512, 768)] * 2
    assert (result["seed"], fal.dropped) == (emulated.SEED, [])


def test_a_handle_has_the_addresses_of_the_app_and_can_be_cancelled(fal: Fal) -> None:
    with client(fal) as sdk:
        handle = sdk.submit("fal-ai/flux/dev", {"prompt": "a fox"})
        assert "/fal-ai/flux/requests/" in handle.status_url
        handle.cancel()
        assert isinstance(handle.status(), fal_client.Completed)


def test_an_edit_takes_a_data_uri(fal: Fal) -> None:
    link = fal_client.encode(png(64, 64, "navy"), "image/png")
    result = subscribed(fal, "fal-ai/nano-banana/edit", {"prompt": "a fox", "image_urls": [link]})
    assert len(result["images"]) == 1


@pytest.mark.parametrize(
    ("endpoint", "arguments", "status"),
    [
        ("fal-ai/flux/dev", {}, 422),
        ("fal-ai/flux/dev", {"prompt": "a fox", "num_images": 9}, 422),
        ("fal-ai/nano-banana/edit", {"prompt": "a fox", "image_urls": ["https://example.com/a.png"]}, 422),
        ("fal-ai/no-such", {"prompt": "a fox"}, 404),
    ],
)
def test_a_bad_request_is_refused(fal: Fal, endpoint: str, arguments: dict[str, Any], status: int) -> None:
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        subscribed(fal, endpoint, arguments)
    assert caught.value.status_code == status


def test_a_wrong_key_is_refused(fal: Fal) -> None:
    with client(fal, "wrong") as sdk, pytest.raises(fal_client.FalClientHTTPError) as caught:
        sdk.submit("fal-ai/flux/dev", {"prompt": "a fox"})
    assert caught.value.status_code == 401
