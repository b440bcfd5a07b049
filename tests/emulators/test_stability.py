"""The emulator is proven by a client of its own, written after the samples of the vendor's documentation.

No official client for v2beta exists, so this one frames its multipart by hand and shares no code with the product.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image

from atelier.providers.testing.emulators import stability as emulated
from atelier.providers.testing.emulators.stability import Stability
from atelier.providers.testing.server import Drip, Dropped, Slow
from atelier.providers.vendors.stability import PROVIDER
from tests.conftest import png

PHOTO = png(128, 96, "navy")
MASK = png(128, 96, "white", "L")


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(base64.b64decode(self.json["image"])))


class Client:
    """One request a call, as the vendor's samples send it."""

    def __init__(self, stability: Stability, key: str | None = None, timeout: float = 10.0) -> None:
        self.port, self.key, self.timeout = stability.port, key or stability.key, timeout

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Got:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"authorization": f"Bearer {self.key}", "accept": "application/json", **named}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def make(self, tool: str, *files: tuple[str, bytes], accept: str = "application/json", **fields: Any) -> Got:
        lines = list[bytes]()
        for name, value in fields.items():
            lines += [b"--frame", f'content-disposition: form-data; name="{name}"'.encode(), b"", str(value).encode()]
        for name, data in files or [("none", b"")]:
            shown = f'content-disposition: form-data; name="{name}"; filename="{name}"'.encode()
            lines += [b"--frame", shown, b"content-type: application/octet-stream", b"", data]
        body = b"\r\n".join([*lines, b"--frame--", b""])
        kind = "multipart/form-data; boundary=frame"
        return self.call("POST", f"/v2beta/stable-image/{tool}", body, content_type=kind, accept=accept)

    def result(self, id: str, accept: str = "application/json") -> Got:
        return self.call("GET", f"/v2beta/results/{id}", accept=accept)


@pytest.fixture
def client(stability: Stability) -> Client:
    return Client(stability)


SAMPLES: dict[str, tuple[dict[str, Any], list[tuple[str, bytes]], tuple[int, int]]] = {
    "generate/core": ({"prompt": "Lighthouse", "aspect_ratio": "16:9"}, [], (1344, 768)),
    "generate/ultra": ({"prompt": "Lighthouse", "strength": 0.5}, [("image", PHOTO)], (128, 96)),
    "generate/sd3": ({"prompt": "Lighthouse", "model": "sd3.5-medium", "cfg_scale": 5}, [], (1024, 1024)),
    "edit/inpaint": ({"prompt": "a dog", "grow_mask": 60}, [("image", PHOTO), ("mask", MASK)], (128, 96)),
    "edit/erase": ({}, [("image", PHOTO), ("mask", MASK)], (128, 96)),
    "edit/outpaint": ({"left": 100, "down": 20}, [("image", PHOTO)], (228, 116)),
    "edit/search-and-replace": ({"prompt": "dog", "search_prompt": "cat"}, [("image", PHOTO)], (128, 96)),
    "edit/search-and-recolor": ({"prompt": "red", "select_prompt": "cat"}, [("image", PHOTO)], (128, 96)),
    "edit/remove-background": ({"output_format": "webp"}, [("image", PHOTO)], (128, 96)),
    "control/sketch": ({"prompt": "castle", "control_strength": 0.7}, [("image", PHOTO)], (128, 96)),
    "control/structure": ({"prompt": "castle"}, [("image", PHOTO)], (128, 96)),
    "control/style": ({"prompt": "castle", "fidelity": 0.5}, [("image", PHOTO)], (1024, 1024)),
    "upscale/fast": ({}, [("image", PHOTO)], (512, 384)),
    "upscale/conservative": ({"prompt": "flower", "creativity": 0.2}, [("image", PHOTO)], (512, 384)),
}
LATER: dict[str, tuple[dict[str, Any], list[tuple[str, bytes]]]] = {
    "edit/replace-background-and-relight": ({"background_prompt": "beach"}, [("subject_image", PHOTO)]),
    "upscale/creative": ({"prompt": "flower", "creativity": 0.3}, [("image", PHOTO)]),
}
CREDITS = {
    "generate/core": 3, "generate/ultra": 8, "generate/sd3": 3.5,
    "edit/inpaint": 5, "edit/erase": 5, "edit/outpaint": 4, "edit/search-and-replace": 5,
    "edit/search-and-recolor": 5, "edit/remove-background": 5, "edit/replace-background-and-relight": 8,
    "control/sketch": 5, "control/structure": 5, "control/style": 5,
    "upscale/fast": 2, "upscale/conservative": 40, "upscale/creative": 60,
}  # fmt: skip
"""By the vendor's documents: its OpenAPI document of 2026 for what generates (3.5 is sd3.5-medium), its notice of
2025-08-01 for the rest."""


def test_every_endpoint_that_the_product_asks_has_a_sample_and_a_price() -> None:
    asked = {str(row.wire) for row in PROVIDER.models if row.lifecycle.stage != "retired"}
    assert asked == {*SAMPLES, *LATER} == set(CREDITS)


@pytest.mark.parametrize("tool", SAMPLES)
def test_the_vendors_samples_get_a_picture_and_are_charged(client: Client, stability: Stability, tool: str) -> None:
    fields, files, size = SAMPLES[tool]
    got = client.make(tool, *files, **fields)
    assert got.status == 200, got.body
    assert got.json["finish_reason"] == "SUCCESS"
    assert 0 < got.json["seed"] < 2**32
    with got.image as image:
        assert image.size == size
        assert image.format == str(fields.get("output_format", "png")).upper()
    assert got.headers["x-request-id"]
    assert client.call("GET", "/v1/user/balance").json == {"credits": 1_000 - CREDITS[tool]}
    assert stability.ignored == []


@pytest.mark.parametrize("tool", LATER)
def test_a_result_is_collected_with_the_key_that_asked_and_no_faster_than_allowed(
    client: Client, stability: Stability, tool: str
) -> None:
    stability.busy, stability.poll_interval = 1, 60.0
    stability.accounts["sk-other"] = 100
    fields, files = LATER[tool]
    id = client.make(tool, *files, **fields).json["id"]
    assert len(id) == 64
    assert Client(stability, "sk-other").result(id).status == 404
    assert (client.result(id).status, client.result(id).status) == (202, 429)
    stability.poll_interval = 0.0
    assert client.result(id).json["finish_reason"] == "SUCCESS"
    assert client.call("GET", "/v1/user/balance").json == {"credits": 1_000 - CREDITS[tool]}
    gone = client.result("0" * 64)
    assert (gone.status, gone.json["name"]) == (404, "generation_not_found")


def test_pictures_are_also_to_be_had_as_bytes(client: Client) -> None:
    got = client.make("generate/core", prompt="a", accept="image/*", output_format="jpeg", seed=7)
    assert (got.headers["finish-reason"], got.headers["seed"]) == ("SUCCESS", "7")
    with Image.open(io.BytesIO(got.body)) as image:
        assert image.format == "JPEG"


def test_a_wrong_key_is_unauthorized(stability: Stability) -> None:
    got = Client(stability, "sk-wrong").make("generate/core", prompt="a")
    assert (got.status, got.json["name"]) == (401, "unauthorized")
    assert Client(stability, "sk-wrong").call("GET", "/v1/user/balance").status == 401


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_anything_but_multipart_is_refused_even_without_a_file(client: Client, kind: str) -> None:
    got = client.call("POST", "/v2beta/stable-image/generate/core", b"prompt=a", content_type=kind)
    assert (got.status, got.json["errors"]) == (400, ["content-type: must be multipart/form-data"])


REFUSED: list[tuple[str, dict[str, Any], list[tuple[str, bytes]], str]] = [
    ("generate/core", {}, [], "prompt: is required"),
    ("generate/core", {"prompt": ""}, [], "prompt"),
    ("generate/core", {"prompt": "a" * 10_001}, [], "prompt"),
    ("generate/core", {"prompt": "a", "aspect_ratio": "4:3"}, [], "aspect_ratio"),
    ("generate/core", {"prompt": "a", "style_preset": "baroque"}, [], "style_preset"),
    ("generate/core", {"prompt": "a", "seed": 4_294_967_295}, [], "seed"),
    ("generate/core", {"prompt": "a", "seed": "x"}, [], "seed"),
    ("generate/ultra", {"prompt": "a"}, [("image", PHOTO)], "strength"),
    ("generate/ultra", {"prompt": "a", "strength": 0.5}, [], "strength"),
    ("generate/ultra", {"prompt": "a", "strength": 1.5}, [("image", PHOTO)], "strength"),
    ("generate/sd3", {"prompt": "a", "model": "sd4"}, [], "model"),
    ("generate/sd3", {"prompt": "a", "output_format": "webp"}, [], "output_format"),
    ("generate/sd3", {"prompt": "a", "strength": 0.5}, [("image", PHOTO)], "image-to-image"),
    ("generate/sd3", {"prompt": "a", "mode": "image-to-image"}, [("image", PHOTO)], "strength"),
    (
        "generate/sd3",
        {"prompt": "a", "mode": "image-to-image", "strength": 0.5, "aspect_ratio": "1:1"},
        [("image", PHOTO)],
        "aspect_ratio",
    ),
    ("edit/inpaint", {"prompt": "a", "grow_mask": 101}, [("image", PHOTO)], "grow_mask"),
    ("edit/inpaint", {"prompt": "a", "image": "text"}, [("none", b"")], "image: must be a file"),
    ("edit/erase", {}, [("image", b"no picture")], "is not an image"),
    ("edit/erase", {}, [("image", png(63, 200))], "every side"),
    ("edit/outpaint", {"left": 0}, [("image", PHOTO)], "at least one"),
    ("edit/outpaint", {"left": 2_001}, [("image", PHOTO)], "left"),
    ("edit/outpaint", {"left": 10}, [("image", png(400, 100))], "aspect ratio"),
    ("edit/search-and-replace", {"prompt": "a"}, [("image", PHOTO)], "search_prompt: is required"),
    ("edit/search-and-recolor", {"prompt": "a", "search_prompt": "b"}, [("image", PHOTO)], "select_prompt"),
    ("edit/remove-background", {"output_format": "jpeg"}, [("image", PHOTO)], "output_format"),
    ("edit/replace-background-and-relight", {}, [("subject_image", PHOTO)], "background_prompt"),
    (
        "edit/replace-background-and-relight",
        {"background_prompt": "a", "light_source_strength": 0.5},
        [("subject_image", PHOTO)],
        "light_source_strength",
    ),
    ("upscale/fast", {}, [("image", png(1_537, 40))], "every side"),
    ("upscale/conservative", {}, [("image", PHOTO)], "prompt: is required"),
    ("upscale/creative", {"prompt": "a", "creativity": 0.6}, [("image", PHOTO)], "creativity"),
]


@pytest.mark.parametrize(("tool", "fields", "files", "words"), REFUSED)
def test_what_the_vendor_refuses_is_a_bad_request_that_costs_nothing(
    client: Client,
    stability: Stability,
    tool: str,
    fields: dict[str, Any],
    files: list[tuple[str, bytes]],
    words: str,
) -> None:
    got = client.make(tool, *files, **fields)
    assert (got.status, got.json["name"]) == (400, "bad_request")
    assert words in got.json["errors"][0]
    assert stability.accounts[stability.key] == 1_000


def test_a_gif_a_large_body_a_strange_endpoint_and_a_strange_accept_are_refused(client: Client) -> None:
    out = io.BytesIO()
    Image.new("P", (100, 100)).save(out, "GIF")
    assert "jpeg, png or webp" in client.make("edit/erase", ("image", out.getvalue())).json["errors"][0]
    assert client.make("edit/erase", ("image", bytes(10 * 2**20))).json["name"] == "payload_too_large"
    assert client.make("edit/paint-over", ("image", PHOTO)).status == 404
    assert client.make("generate/core", prompt="a", accept="text/html").status == 400


def test_unknown_fields_are_dropped_in_silence_and_the_picture_is_charged(client: Client, stability: Stability) -> None:
    assert client.make("generate/core", prompt="a", width=512, quality="high").status == 200
    assert stability.ignored == ["width", "quality"]
    assert stability.accounts[stability.key] == 997


def test_an_empty_account_pays_for_nothing(client: Client, stability: Stability) -> None:
    stability.accounts[stability.key] = 2.9
    assert (client.make("generate/core", prompt="a").status, stability.accounts[stability.key]) == (402, 2.9)


def test_white_in_a_mask_is_what_changes(client: Client) -> None:
    half = Image.new("L", (128, 96), "black")
    half.paste("white", (0, 0, 64, 96))
    out = io.BytesIO()
    half.save(out, "PNG")
    with client.make("edit/erase", ("image", PHOTO), ("mask", out.getvalue())).image as image:
        assert (image.getpixel((10, 10)), image.getpixel((100, 10))) == ((255, 165, 0), (0, 0, 128))


def test_a_scripted_refusal_reads_as_that_of_the_vendors_rules_comes_once_and_charges_nothing(
    client: Client, stability: Stability
) -> None:
    stability.next(emulated.TOO_LARGE, emulated.NO_CREDITS, emulated.GONE)
    scripted = [client.make("generate/core", prompt="a"), client.make("generate/core", prompt="a"), client.result("0")]
    assert stability.accounts[stability.key] == 1_000
    large = client.make("edit/erase", ("image", bytes(10 * 2**20)))
    assert client.make("generate/core", prompt="a").status == 200
    stability.accounts[stability.key] = 0
    by_rule = [large, client.make("generate/core", prompt="a"), client.result("0")]
    for one, other in zip(scripted, by_rule, strict=True):
        assert (one.status, one.json["name"], one.json.keys()) == (other.status, other.json["name"], other.json.keys())


def test_a_filtered_picture_is_a_success_with_a_blur(client: Client, stability: Stability) -> None:
    stability.next(emulated.FILTERED)
    got = client.make("generate/core", prompt="a")
    assert (got.status, got.json["finish_reason"]) == (200, "CONTENT_FILTERED")
    with got.image as image:
        assert image.size == (64, 64)


def test_broken_answers_and_connections_are_broken(client: Client, stability: Stability) -> None:
    stability.next(emulated.BROKEN_JSON, Dropped(), Dropped(midway=True))
    with pytest.raises(ValueError, match="Unterminated"):
        _ = client.make("generate/core", prompt="a").json
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client.make("generate/core", prompt="a")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client.make("generate/core", prompt="a")


def test_slowness_is_a_timeout_and_a_drip_is_none(stability: Stability) -> None:
    stability.next(Slow(2), Drip(every=0.05, length=5))
    with pytest.raises(TimeoutError):
        Client(stability, timeout=0.2).make("generate/core", prompt="a")
    assert Client(stability, timeout=0.2).make("generate/core", prompt="a").json == {}
