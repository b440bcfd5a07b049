"""The emulator is proven by Replicate's own client."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from PIL import Image
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError

from atelier.providers.testing.emulators import replicate_rules as emulated
from atelier.providers.testing.emulators.replicate import Replicate
from atelier.providers.testing.fixtures import served
from tests.conftest import png

SCHNELL = "black-forest-labs/flux-schnell"


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.01")
    yield from served(Replicate())


@contextmanager
def client(host: Replicate, key: str | None = None) -> Generator[Client]:
    made = Client(api_token=key or host.key, base_url=host.url)
    made.poll_interval = 0.01
    try:
        yield made
    finally:
        made._client.close()  # pyright: ignore[reportPrivateUsage] - the client has no close


def test_a_prediction_of_an_official_model_gives_links(host: Replicate) -> None:
    with client(host) as api:
        prediction = api.models.predictions.create(SCHNELL, input={"prompt": "a fox", "num_outputs": 2}, wait=False)
        assert prediction.status == "starting"
        prediction.wait()
    assert (prediction.status, len(prediction.output or []), host.dropped) == ("succeeded", 2, [])


def test_a_community_model_is_run_by_its_version(host: Replicate) -> None:
    with client(host) as api:
        output: Any = api.predictions.create(version=f"owner/painter:{emulated.VERSION}", input={"prompt": "a fox"})
        output.wait()
        assert api.models.get("owner/painter").id == "owner/painter"
    assert output.status == "succeeded"


def test_a_prediction_can_be_cancelled(host: Replicate) -> None:
    with client(host) as api:
        prediction = api.models.predictions.create(SCHNELL, input={"prompt": "a fox"}, wait=False)
        prediction.cancel()
        prediction.reload()
    assert prediction.status == "canceled"


def test_a_file_is_a_source(host: Replicate) -> None:
    with client(host) as api:
        uploaded = api.files.create(io.BytesIO(png(64, 64, "navy")))
        output: Any = api.run("black-forest-labs/flux-dev", input={"prompt": "a fox", "image": uploaded.urls["get"]})
    with urllib.request.urlopen(output[0], timeout=10) as answer, Image.open(io.BytesIO(answer.read())) as picture:
        assert picture.format == "WEBP"


def test_a_refused_prompt_fails_the_run(host: Replicate) -> None:
    with client(host) as api, pytest.raises(ModelError, match="E005"):
        api.run(SCHNELL, input={"prompt": emulated.SENSITIVE})


@pytest.mark.parametrize(
    ("model", "given", "key", "status"),
    [
        (SCHNELL, {}, None, 422),
        (SCHNELL, {"prompt": "a fox", "num_outputs": 9}, None, 422),
        ("owner/no-such", {"prompt": "a fox"}, None, 404),
        (SCHNELL, {"prompt": "a fox"}, "wrong", 401),
    ],
)
def test_a_bad_request_is_refused(
    host: Replicate, model: str, given: dict[str, Any], key: str | None, status: int
) -> None:
    with client(host, key) as api, pytest.raises(ReplicateError) as caught:
        api.models.predictions.create(model, input=given)
    assert caught.value.status == status
