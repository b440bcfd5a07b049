"""The official OpenAI clients for Python and JavaScript against the service, which draws with several vendors."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image

from atelier.providers.testing.emulators.flux import Flux
from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.emulators.openai_rules import MODERATED
from atelier.providers.testing.server import Held
from atelier.providers.testing.waiting import LONG, until
from atelier.providers.transport.network.http_client import httpx
from tests.conftest import NO_FILES
from tests.exhaustive import exhaustive
from tests.npm import installed
from tests.server.http_process import Server, serving, token

NODE_CLIENT = "openai@6.49.0"

FLARE = "gpt-image-2.5-flare"


@dataclass
class Service:
    """The process, and the vendors behind it."""

    server: Server
    openai: OpenAI
    flux: Flux

    def client(self, caller: str = "alice", **options: Any) -> openai.OpenAI:
        """The official client of a caller; it tries once."""
        options = {"api_key": token(caller), "max_retries": 0, "timeout": LONG, **options}
        web = httpx.Client(trust_env=False)
        return openai.OpenAI(base_url=f"{self.server.url}/v1", http_client=web, **options)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder, vendor, flux = tmp_path_factory.mktemp("service"), OpenAI(), Flux()
    with vendor.serving(), flux.serving():
        environ = NO_FILES | {
            "ATELIER_OUTPUT_DIR": str(folder / "out"),
            "ATELIER_STATE_DIR": str(folder / "state"),
            "OPENAI_API_KEY": vendor.key,
            "OPENAI_BASE_URL": vendor.url,
            "BFL_API_KEY": flux.key,
            "BFL_BASE_URL": flux.url,
            "ATELIER_WAIT_SECONDS": "0",
            "ATELIER_BUDGET_PER_CALL": "1",
        }
        with serving(environ) as server:
            yield Service(server, vendor, flux)


@pytest.fixture
def service(running: Service) -> Service:
    running.openai.reset()
    return running


def png(size: tuple[int, int] = (64, 64), mode: str = "RGB", colour: Any = "red") -> io.BytesIO:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG")
    file.name, _ = "source.png", file.seek(0)
    return file


def decoded(image: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image.b64_json)))


def test_images_are_made_with_any_vendor_and_come_in_the_answer(service: Service) -> None:
    with service.client() as client:
        made = client.images.generate(
            model=FLARE, prompt="a fox", n=2, size="1536x1024", quality="low", output_format="jpeg", user="u-7"
        )
        assert made.data is not None
        assert [(image.format, image.size) for image in map(decoded, made.data)] == [("JPEG", (1536, 1024))] * 2
        assert (made.size, made.output_format) == ("1536x1024", "jpeg")
        assert made.usage is not None
        assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0
        assert made.usage.input_tokens_details.text_tokens == made.usage.input_tokens
        assert made.usage.input_tokens_details.image_tokens == 0
        assert made.usage.output_tokens_details is not None
        assert made.usage.output_tokens_details.image_tokens == made.usage.output_tokens
        assert {image.revised_prompt for image in made.data} == {"a fox"}
        assert "user" not in service.openai.requests[-1].json
        flux = client.images.generate(model="flux-2-pro", prompt="a fox", size="auto", quality="auto")
        assert flux.data is not None
        assert decoded(flux.data[0]).size == (1024, 1024)
        facts: Any = flux.model_extra
        assert facts["atelier"]["model"] == "flux-2-pro"
        assert facts["atelier"]["actual_usd"] > 0


def test_an_edit_sends_every_image_and_the_mask(service: Service) -> None:
    with service.client() as client:
        edited = client.images.edit(
            model=FLARE,
            prompt="a hat",
            image=[png(), png((32, 32))],
            mask=png(mode="RGBA", colour=(0, 0, 0, 0)),
            extra_body={"moderation": "low"},
        )
        assert edited.data is not None
        assert decoded(edited.data[0]).format == "PNG"
        assert [image.size for image in service.openai.sources[-1]] == [(64, 64), (32, 32)]
        assert [mask.size for mask in service.openai.masks] == [(64, 64)]
        item: Any = edited.data[0]
        again = client.post(
            "/images/edits",
            body={"model": "flux-2-pro", "prompt": "a coat", "images": [{"file_id": item.id}]},
            cast_to=openai.types.ImagesResponse,
        )
        assert again.data is not None
        assert decoded(again.data[0]).format in ("PNG", "JPEG")


def test_a_stream_has_the_partial_images_and_then_the_finished_one(service: Service) -> None:
    with service.client() as client:
        with client.images.generate(model=FLARE, prompt="a bear", stream=True, partial_images=2) as stream:
            events = list(stream)
        assert [event.type for event in events] == [
            *["image_generation.partial_image"] * 2, "image_generation.completed",
        ]  # fmt: skip
        assert [getattr(event, "partial_image_index", None) for event in events] == [0, 1, None]
        assert all(decoded(event).size == (1024, 1024) for event in events)
        last: Any = events[-1]
        assert last.usage.output_tokens > 0
        assert last.usage.input_tokens_details.text_tokens > 0
        with client.images.edit(model="flux-2-pro", prompt="a hat", image=png(), stream=True) as stream:
            (edited,) = stream
        assert edited.type == "image_edit.completed"
        assert decoded(edited).format in ("PNG", "JPEG")


def test_a_link_comes_where_one_is_asked_for(service: Service) -> None:
    with service.client() as client:
        made = client.images.generate(model=FLARE, prompt="a wolf", response_format="url")
        assert made.data is not None
        assert made.data[0].b64_json is None
        assert made.data[0].url is not None
        file = httpx.get(made.data[0].url, trust_env=False)
        assert Image.open(io.BytesIO(file.content)).size == (1024, 1024)


def test_the_models_of_every_vendor_are_listed_and_found_by_any_name(service: Service) -> None:
    with service.client() as client:
        ids = [model.id for model in client.models.list()]
        assert {f"openai/{FLARE}", "flux/flux-2-pro", "sketch/sketch"} <= set(ids)
        assert not [id for id in ids if id.startswith("gemini/")]  # it has no key here
        assert client.models.retrieve("flux-2-pro").id == "flux/flux-2-pro"
        assert client.models.retrieve("flux/flux-2-pro").owned_by == "flux"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gemini")


REFUSALS: dict[str, tuple[dict[str, Any], type[openai.APIStatusError], str, str | None]] = {
    "model": ({"model": "nope"}, openai.NotFoundError, "model_not_found", "model"),
    "budget": (
        {"n": 10, "quality": "max", "size": "2048x2048"}, openai.RateLimitError, "insufficient_quota", None,
    ),
    "option": ({"extra_body": {"colour": "red"}}, openai.BadRequestError, "unknown_parameter", "colour"),
    "value": ({"quality": "hd"}, openai.BadRequestError, "unknown_parameter", "quality"),
    "save": ({"extra_body": {"save": False}}, openai.BadRequestError, "unknown_parameter", "save"),
    "format": ({"response_format": "binary"}, openai.BadRequestError, "invalid_value", "response_format"),
    "partial": ({"partial_images": 2}, openai.BadRequestError, "invalid_value", "partial_images"),
    "no partial": (
        {"model": "flux-2-pro", "stream": True, "partial_images": 2},
        openai.BadRequestError, "unknown_parameter", "partial_images",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "kind", "code", "param"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_is_the_clients_own_exception(
    service: Service, asked: dict[str, Any], kind: type[openai.APIStatusError], code: str, param: str | None
) -> None:
    options: Any = {"model": FLARE, "prompt": "a fox", **asked}
    with service.client() as client, pytest.raises(kind) as caught:
        client.images.generate(**options)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert service.openai.requests == []


def test_a_refusal_of_the_vendor_and_a_wrong_token_and_a_wrong_path(service: Service) -> None:
    with service.client() as client:
        for stream in (False, True):
            service.openai.next(MODERATED)
            with pytest.raises(openai.BadRequestError) as caught:
                client.images.generate(model=FLARE, prompt="something else", stream=stream)
            assert (caught.value.code, caught.value.type) == ("moderation_blocked", "image_generation_user_error")
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model=FLARE, messages=[])
    with service.client(api_key="nonsense") as stranger, pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert refused.value.code == "invalid_api_key"


def test_a_client_that_gives_up_and_tries_again_gets_the_one_image(service: Service) -> None:
    held = Held()
    service.openai.next(held)
    with service.client() as client:
        with pytest.raises(openai.APITimeoutError):
            client.images.generate(model=FLARE, prompt="a lynx", timeout=1.0)
        until(lambda: len(service.openai.requests) == 1)
        held.go.set()
        made = client.images.generate(model=FLARE, prompt="a lynx")
        assert made.data is not None
        first, anew = (
            client.with_options(default_headers={"Idempotency-Key": "k-1"}).images.generate(
                model=FLARE, prompt="an owl"
            )
            for _ in range(2)
        )
    assert len(service.openai.requests) == 2
    assert first.data == anew.data


@pytest.fixture(scope="session")
def node_client(request: pytest.FixtureRequest) -> Path:
    """The package.json beside the JavaScript client."""
    return installed(NODE_CLIENT, request.config)


@exhaustive
def test_the_javascript_client_does_the_same(service: Service, node_client: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(png().read())
    script = Path(__file__).with_name("openai_client.mjs")
    command = ["node", str(script), f"{service.server.url}/v1", token("bob"), str(source)]
    environ = {**os.environ, "OPENAI_CLIENT": str(node_client)}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LONG)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["generated"] == ["PNG", "PNG"]
    assert found["usage"] > 0
    assert found["url"].startswith(service.server.url)
    assert found["events"] == [
        ["image_generation.partial_image", 0, True],
        ["image_generation.partial_image", 1, True],
        ["image_generation.completed", None, True],
    ]
    assert f"openai/{FLARE}" in found["models"]
    assert found["model"] == ["NotFoundError", 404, "model_not_found", "model"]
    assert found["option"] == ["BadRequestError", 400, "unknown_parameter", "input_fidelity"]
    assert found["stranger"] == ["AuthenticationError", 401, "invalid_api_key", None]
