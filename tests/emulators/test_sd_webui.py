"""The emulator is proven by webuiapi, a client of the community: the server's projects have none of their own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from atelier.providers.testing.emulators import sd_webui as emulated
from atelier.providers.testing.emulators.sd_webui import SdWebui
from atelier.providers.testing.fixtures import served
from tests.conftest import png

webuiapi: Any = pytest.importorskip("webuiapi")  # it has no types

SOURCE = Image.open(io.BytesIO(png(64, 48, "navy")))


@pytest.fixture
def host() -> Iterator[SdWebui]:
    yield from served(SdWebui())


def client(host: SdWebui) -> Any:
    return webuiapi.WebUIApi(host="127.0.0.1", port=host.port)


def test_a_generation_has_its_seeds_and_size(host: SdWebui) -> None:
    result = client(host).txt2img(prompt="a fox", seed=7, n_iter=2, width=128, height=64, steps=4)
    assert [image.size for image in result.images] == [(128, 64)] * 2
    assert result.info["all_seeds"] == [7, 8]


def test_an_inpainting_takes_a_mask(host: SdWebui) -> None:
    mask = Image.new("L", SOURCE.size, "white")
    result = client(host).img2img(images=[SOURCE], mask_image=mask, prompt="a hat", width=64, height=48)
    assert result.image.size == SOURCE.size


def test_an_upscale_has_a_factor(host: SdWebui) -> None:
    result = client(host).extra_single_image(image=SOURCE, upscaler_1="R-ESRGAN 4x+", upscaling_resize=2)
    assert result.image.size == (128, 96)


def test_it_lists_what_it_has_and_can_be_interrupted(host: SdWebui) -> None:
    api = client(host)
    assert [each["title"] for each in api.get_sd_models()] == list(emulated.CHECKPOINTS)
    assert "R-ESRGAN 4x+" in [each["name"] for each in api.get_upscalers()]
    assert api.get_progress()["progress"] == 0
    api.interrupt()
    assert host.interrupts == 1


def test_an_unknown_sampler_is_refused(host: SdWebui) -> None:
    with pytest.raises(RuntimeError, match="Sampler not found"):
        client(host).txt2img(prompt="a fox", sampler_name="No such")
