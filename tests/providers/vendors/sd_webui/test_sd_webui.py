"""What is special to Stable Diffusion web UIs: lists of the server, sizes of sources, progress, interrupts, http."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.jobs.service import ImageService
from atelier.providers.jobs.waiter import JobHandle
from atelier.providers.testing.emulators.sd_webui import SdWebui
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Answer, Held, Slow
from atelier.providers.vendors.sd_webui import PROVIDER, server
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio


@pytest.fixture
def host() -> Iterator[SdWebui]:
    yield from served(SdWebui())


@pytest.fixture
def at_home(host: SdWebui, environ: Environ) -> Environ:
    return {**environ, "SD_WEBUI_URL": host.url}


async def run(environ: Environ, **fields: Any) -> Any:
    async with open_pipeline(PROVIDER, environ, timeout=8.0) as pipeline:
        return await pipeline.run(replace(ImageRequest(prompt="a fox", model="sd-webui"), **fields))


async def refused(environ: Environ, **fields: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await run(environ, **fields)
    return caught.value


def sent(host: SdWebui) -> dict[str, Any]:
    (request,) = [each for each in host.requests if each.method == "POST"]
    return request.json


async def test_a_server_without_its_api_is_told_how_to_start_it(at_home: Environ, host: SdWebui) -> None:
    host.next(*[Answer(404, {"detail": "Not Found"})] * 9)
    hint = (await refused(at_home)).hint
    assert "Start the server with --api" in hint
    assert f"127.0.0.1:{host.port}" in hint


async def test_several_images_are_drawn_one_after_the_other_with_their_seeds(at_home: Environ, host: SdWebui) -> None:
    host.grid = True
    result = await run(at_home, count=3, seed=7, size="128x64", options={"sampler_name": "Euler a", "cfg_scale": 2.5})
    assert [image.picture.seed for image in result.images] == [7, 8, 9]
    assert (sent(host)["n_iter"], sent(host)["cfg_scale"], result.actual_usd) == (3, 2.5, Decimal(0))
    assert result.details["sd_model_name"] == "v1-5-pruned-emaonly"


@pytest.mark.parametrize(
    ("asked", "loaded"),
    [
        ({"model": "sd-webui/sd_xl_base_1.0"}, "sd_xl_base_1.0.safetensors [31e35c80fc]"),
        ({"model": "sd-webui/SD_XL_base_1.0.safetensors"}, "sd_xl_base_1.0.safetensors [31e35c80fc]"),
        ({"options": {"checkpoint": "my models/Dream Shaper"}}, "my models/Dream Shaper.safetensors [aa00bb11cc]"),
    ],
)
async def test_a_checkpoint_is_named_as_the_servers_list_names_it(
    at_home: Environ, host: SdWebui, asked: dict[str, Any], loaded: str
) -> None:
    result = await run(at_home, **asked)
    assert (host.checkpoint, result.actual_usd) == (loaded, Decimal(0))


async def test_an_unknown_checkpoint_is_refused_with_those_of_the_server(at_home: Environ, host: SdWebui) -> None:
    error = await refused(at_home, model="sd-webui/sdxl-base")
    assert error.reason is Reason.UNKNOWN_MODEL
    assert "v1-5-pruned-emaonly, sd_xl_base_1.0" in error.hint
    assert [each.path for each in host.requests] == ["/sdapi/v1/sd-models"]


async def test_a_source_keeps_its_size_in_steps_of_eight_and_a_mask_starts_from_it(
    at_home: Environ, host: SdWebui
) -> None:
    source, mask = normalise_source(png(130, 66, "navy")), normalise_mask(png(130, 66, "white", "L"))
    result = await run(at_home, operation=Operation.INPAINT, sources=(source,), mask=mask, strength=0.4)
    body = sent(host)
    assert (body["width"], body["height"], body["denoising_strength"]) == (128, 64, 0.4)
    assert (body["inpainting_fill"], body["mask_blur"], body["initial_noise_multiplier"]) == (1, 4, 1)
    assert "128x64" in result.warnings[0]


async def test_a_server_with_a_login_gets_the_one_of_the_settings(at_home: Environ, host: SdWebui) -> None:
    host.login = "anna:pass word"
    error = await refused(at_home)
    assert (error.reason, "SD_WEBUI_AUTH" in error.hint) == (Reason.AUTHENTICATION, True)
    assert (await refused(at_home | {"SD_WEBUI_AUTH": "anna:wrong"})).reason is Reason.AUTHENTICATION
    host.requests.clear()
    assert (await refused(at_home | {"SD_WEBUI_AUTH": "anna"})).reason is Reason.AUTHENTICATION
    assert host.requests == []
    result = await run(at_home | {"SD_WEBUI_AUTH": host.login}, model="sd-webui/sd_xl_base_1.0")
    assert [each.path for each in host.requests] == ["/sdapi/v1/sd-models", "/sdapi/v1/txt2img"]
    assert len(result.images) == 1


async def test_an_upscale_uses_an_upscaler_that_the_server_has(at_home: Environ, host: SdWebui) -> None:
    source, upscale = normalise_source(png(64, 48, "navy")), {"model": "sd-webui-upscale", "prompt": ""}
    upscale |= {"operation": Operation.UPSCALE, "sources": (source,)}
    result = await run(at_home, **upscale, options={"factor": 4, "upscaler": "ESRGAN_4x"})
    assert (result.images[0].picture.width, sent(host)["upscaler_1"]) == (256, "ESRGAN_4x")
    error = await refused(at_home, **upscale, options={"upscaler": "ESRGAN_2x"})
    assert (error.reason, error.facts["option"]) == (Reason.UNSUPPORTED_OPTION, "upscaler")
    assert "ESRGAN_4x" in error.hint


async def test_a_lack_of_memory_is_told_and_not_tried_again(at_home: Environ, host: SdWebui) -> None:
    async with open_pipeline(PROVIDER, at_home) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="sd-webui/sd_xl_base_1.0", size="4096x1024"))
    assert (caught.value.reason, "smaller size" in caught.value.hint) == (Reason.INVALID_REQUEST, True)
    assert len([each for each in host.requests if each.method == "POST"]) == 1


async def test_progress_is_told_while_it_draws(
    at_home: Environ, host: SdWebui, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PROGRESS_INTERVAL", 0.02)
    host.seconds, told = 0.5, list[str]()

    async def on_progress(message: str) -> None:
        told.append(message)

    async with open_pipeline(PROVIDER, at_home) as pipeline:
        await pipeline.run(ImageRequest(prompt="a fox", model="sd-webui"), on_progress=on_progress)
    steps = [message for message in told if "step" in message]
    assert len(steps) > 1
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("task", [None, "another's"])
async def test_a_cancelled_job_interrupts_the_server_unless_it_works_for_another(
    at_home: Environ, host: SdWebui, task: str | None
) -> None:
    held = Held()
    host.next(held)
    async with ImageService(open_pipeline(PROVIDER, at_home, timeout=8.0), wait=0.1) as service:
        handle = await service.submit(ImageRequest(prompt="a fox", model="sd-webui"))
        assert isinstance(handle, JobHandle)
        host.task = task
        await anyio.to_thread.run_sync(held.wait)  # what was not sent yet would be cancelled without the server
        service.cancel(handle.id)
        with anyio.fail_after(5):
            while not any(each.path.endswith("/progress") for each in host.requests):
                await anyio.sleep(0.01)
            while task is None and not host.interrupts:
                await anyio.sleep(0.01)
            await anyio.sleep(0.1)  # in which another's job would be interrupted
        held.go.set()
    assert host.interrupts == (task is None)


async def test_a_call_that_takes_too_long_is_interrupted(at_home: Environ, host: SdWebui) -> None:
    host.next(Slow(2))
    async with open_pipeline(PROVIDER, at_home, timeout=0.3) as pipeline:
        with pytest.raises(ImageError) as caught:
            await pipeline.run(ImageRequest(prompt="a fox", model="sd-webui"))
    assert (caught.value.reason, host.interrupts) == (Reason.TIMEOUT, 1)


@pytest.mark.parametrize("address", ["http://8.8.8.8:7860", "http://169.254.169.254"])
async def test_http_does_not_leave_the_private_network(environ: Environ, address: str) -> None:
    error = await refused({**environ, "SD_WEBUI_URL": address})
    assert error.reason is Reason.INVALID_REQUEST
    assert "SD_WEBUI_URL is http" in error.message


def test_it_is_the_default_only_without_a_key_and_with_an_address() -> None:
    address, key = {"SD_WEBUI_URL": "http://127.0.0.1:7860"}, {"FAL_KEY": "key-0123456789"}
    chosen = [Catalog(environ.get).resolve(None).provider.name for environ in ({}, address, {**address, **key})]
    assert chosen == ["sketch", "sd-webui", "fal"]
