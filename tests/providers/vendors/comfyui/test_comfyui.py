"""What is special to ComfyUI: ids of our own, files and nodes of the server, workflows, failures, cancelling."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import normalise_source
from atelier.providers.jobs.service import ImageService
from atelier.providers.jobs.waiter import JobHandle
from atelier.providers.testing.emulators import comfyui as emulated
from atelier.providers.testing.emulators.comfyui import Comfyui
from atelier.providers.testing.fixtures import served
from atelier.providers.testing.server import Received
from atelier.providers.vendors.comfyui import PROVIDER, prompts
from tests.conftest import Environ, png
from tests.vendors import open_pipeline

pytestmark = pytest.mark.anyio

SOURCE = normalise_source(png(130, 66, "navy"))

WORKFLOW: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}, "_meta": {"title": "Image"}},
    "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5-pruned-emaonly.safetensors"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "x", "clip": ["2", 1]}, "_meta": {"title": "prompt"}},
    "4": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": 512, "height": 512, "batch_size": 1},
        "_meta": {"title": "Size"},
    },
    "5": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["2", 0], "seed": 1, "steps": 4, "cfg": 7, "sampler_name": "euler", "scheduler": "normal",
            "positive": ["3", 0], "negative": ["3", 0], "latent_image": ["4", 0], "denoise": 1,
        },
        "_meta": {"title": "seed"},
    },
    "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["2", 2]}},
    "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "mine"}},
    "8": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}  # fmt: skip


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Comfyui]:
    monkeypatch.setattr(prompts, "POLL_INTERVAL", 0.01)
    yield from served(Comfyui())


@pytest.fixture
def at_home(host: Comfyui, environ: Environ, tmp_path: Path) -> Environ:
    (tmp_path / "portrait.json").write_text(json.dumps(WORKFLOW))
    (tmp_path / "drawn.json").write_text(json.dumps({"nodes": [], "links": []}))
    return {**environ, "COMFYUI_URL": host.url, "COMFYUI_WORKFLOWS": str(tmp_path)}


async def run(environ: Environ, **fields: Any) -> Any:
    async with open_pipeline(PROVIDER, environ, timeout=8.0, retry_timeouts=True) as pipeline:
        return await pipeline.run(replace(ImageRequest(prompt="a fox", model="comfyui"), **fields))


async def refused(environ: Environ, **fields: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await run(environ, **fields)
    return caught.value


def orders(host: Comfyui) -> list[Received]:
    return [each for each in host.requests if each.path == "/prompt"]


def nodes(host: Comfyui, class_type: str) -> list[dict[str, Any]]:
    """The inputs of every node of that class in the one graph that was sent."""
    (order,) = orders(host)
    return [node["inputs"] for node in order.json["prompt"].values() if node["class_type"] == class_type]


async def test_each_graph_has_a_new_seed_unless_one_is_given(at_home: Environ, host: Comfyui) -> None:
    first, second, given = await run(at_home), await run(at_home), await run(at_home, seed=2**64 - 1)
    assert first.images[0].picture.seed != second.images[0].picture.seed
    assert given.images[0].picture.seed == 2**64 - 1
    assert len({order.json["prompt_id"] for order in orders(host)}) == 3


class BrokenOff:
    """The server queues the graph, and its answer breaks off."""

    async def __call__(self, scope: Any, receive: Any, send: Any, app: Any) -> None:
        async def shortened(message: Any) -> None:
            if message["type"] == "http.response.start":
                await send({**message, "headers": [(b"content-length", b"100000")]})
            else:
                await send({**message, "body": message["body"][:9], "more_body": True})
                raise ConnectionError

        with suppress(ConnectionError):
            await app(scope, receive, shortened)


async def test_a_graph_whose_answer_was_lost_is_looked_up_and_not_sent_again(at_home: Environ, host: Comfyui) -> None:
    host.next(BrokenOff())
    result = await run(at_home)
    assert (len(result.images), len(orders(host))) == (1, 1)


@pytest.mark.parametrize("model", ["comfyui-sdxl", "comfyui-flux", "comfyui-z-image", "comfyui-qwen-image"])
async def test_a_source_is_changed_inside_a_mask_at_its_own_size(at_home: Environ, host: Comfyui, model: str) -> None:
    mask = normalise_mask(png(130, 66, "white", "L"))
    await run(at_home, model=model, operation=Operation.INPAINT, sources=(SOURCE,), mask=mask, strength=0.4)
    (sampler,) = nodes(host, "KSampler")
    assert sampler["denoise"] == 0.4
    assert [(scale["width"], scale["height"]) for scale in nodes(host, "ImageScale")] == [(128, 64)] * 2
    assert set(host.inputs.values()) == {SOURCE.image_bytes, mask.image_bytes}


@pytest.mark.parametrize(
    ("options", "denoise", "encodes"),
    [({}, 1.0, "SetLatentNoiseMask"), ({"checkpoint": "sd_inpainting.ckpt"}, 1.0, "VAEEncodeForInpaint")],
)
async def test_sides_are_added_in_steps_of_the_model_and_only_they_change(
    at_home: Environ, host: Comfyui, options: dict[str, Any], denoise: float, encodes: str
) -> None:
    host.files["CheckpointLoaderSimple", "ckpt_name"].append("sd_inpainting.ckpt")
    sides = {"left": 60, "bottom": 3, **options}
    result = await run(at_home, operation=Operation.OUTPAINT, sources=(SOURCE,), prompt="", options=sides)
    assert (result.images[0].picture.width, result.images[0].picture.height) == (128 + 64, 64 + 8)
    (padding,) = nodes(host, "ImagePadForOutpaint")
    assert {side: padding[side] for side in ("left", "right", "top", "bottom")} == {
        "left": 64,
        "right": 0,
        "top": 0,
        "bottom": 8,
    }
    assert nodes(host, "KSampler")[0]["denoise"] == denoise
    (masked,) = nodes(host, encodes)
    assert masked["mask"][1] == 1


async def test_a_large_source_is_extended_within_the_memory_of_usual_machines(at_home: Environ, host: Comfyui) -> None:
    source = normalise_source(png(2000, 1500, "navy"))
    result = await run(at_home, operation=Operation.OUTPAINT, sources=(source,), options={"right": 1000})
    picture = result.images[0].picture
    assert picture.width / picture.height == pytest.approx(2, rel=0.01)
    assert picture.width * picture.height <= 1550**2


async def test_a_checkpoint_for_inpainting_fills_the_mask_anew(at_home: Environ, host: Comfyui) -> None:
    host.files["CheckpointLoaderSimple", "ckpt_name"].append("xl-Inpaint.safetensors")
    fields = {"operation": Operation.INPAINT, "sources": (SOURCE,), "mask": normalise_mask(png(130, 66, "white", "L"))}
    await run(at_home, options={"checkpoint": "xl-Inpaint.safetensors"}, **fields)
    assert (nodes(host, "KSampler")[0]["denoise"], len(nodes(host, "VAEEncodeForInpaint"))) == (1.0, 1)
    assert nodes(host, "SetLatentNoiseMask") == []


@pytest.mark.parametrize(
    ("model", "place", "files", "taken"),
    [
        ("comfyui-sdxl", ("CheckpointLoaderSimple", "ckpt_name"), ["sd15.ckpt", "juggernautXL.safetensors"], 1),
        ("comfyui-qwen-image", ("UNETLoader", "unet_name"), ["qwen_image_edit.gguf", "qwen-image-fp8.safetensors"], 1),
        ("comfyui-flux", ("VAELoader", "vae_name"), ["qwen_image_vae.safetensors", "FLUX1/ae.sft"], 1),
    ],
)
async def test_a_usual_file_that_the_server_lacks_is_replaced_by_one_of_its_kind(
    at_home: Environ, host: Comfyui, model: str, place: tuple[str, str], files: list[str], taken: int
) -> None:
    host.files[place] = files
    await run(at_home, model=model)
    assert nodes(host, place[0])[0][place[1]] == files[taken]


async def test_a_checkpoint_that_the_server_lacks_is_refused_with_those_that_it_has(
    at_home: Environ, host: Comfyui
) -> None:
    error = await refused(at_home, options={"checkpoint": "no-such.safetensors"})
    assert (error.reason, error.facts["option"]) == (Reason.UNKNOWN_MODEL, "checkpoint")
    assert "sd_xl_base_1.0.safetensors" in error.hint
    host.files["CheckpointLoaderSimple", "ckpt_name"] = ["sd15.ckpt"]
    assert "sd15.ckpt" in (await refused(at_home)).hint
    assert orders(host) == []


async def test_a_node_that_the_server_lacks_is_refused_before_it_is_sent(at_home: Environ, host: Comfyui) -> None:
    host.lacks.add("ModelSamplingAuraFlow")
    error = await refused(at_home, model="comfyui-z-image")
    assert (error.reason, orders(host)) == (Reason.UNSUPPORTED_OPTION, [])
    assert "ModelSamplingAuraFlow" in error.message


async def test_a_workflow_with_spaces_in_its_name_is_called_with_hyphens(at_home: Environ, host: Comfyui) -> None:
    Path(at_home["COMFYUI_WORKFLOWS"], "Two Faces (new).json").write_text(json.dumps(WORKFLOW))
    host.inputs["example.png"] = SOURCE.image_bytes
    assert "two-faces-new" in (await refused(at_home, model="comfyui/none")).hint
    await run(at_home, model="comfyui/two-faces-new")
    assert nodes(host, "CLIPTextEncode")[0]["text"] == "a fox"


async def test_a_workflow_of_the_users_gets_the_request_in_its_slots(at_home: Environ, host: Comfyui) -> None:
    edit: dict[str, Any] = {"operation": Operation.EDIT, "sources": (SOURCE,), "size": "256x128", "seed": 7}
    result = await run(at_home, model="comfyui/portrait", **edit)
    (size,), (sampler,), (text,) = (nodes(host, n) for n in ("EmptyLatentImage", "KSampler", "CLIPTextEncode"))
    assert (size["width"], size["height"], sampler["seed"], text["text"]) == (256, 128, 7, "a fox")
    assert nodes(host, "LoadImage")[0]["image"] in host.inputs
    assert (len(result.images), result.actual_usd) == (1, 0)


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"model": "comfyui/portrait", "negative_prompt": "fog"}, Reason.UNSUPPORTED_OPTION, "negative_prompt"),
        ({"model": "comfyui/portrait", "options": {"steps": 4}}, Reason.UNSUPPORTED_OPTION, "steps"),
        ({"model": "comfyui/no-such"}, Reason.UNKNOWN_MODEL, "COMFYUI_WORKFLOWS"),
        ({"model": "comfyui/drawn"}, Reason.INVALID_REQUEST, "API format"),
    ],
    ids=["no such slot", "an option", "no such file", "another format"],
)
async def test_a_workflow_that_cannot_do_it_is_refused(
    at_home: Environ, host: Comfyui, fields: dict[str, Any], reason: Reason, words: str
) -> None:
    error = await refused(at_home, **fields)
    assert (error.reason, orders(host)) == (reason, [])
    assert words in error.message


async def test_a_failure_names_the_node_and_no_path_of_the_server(at_home: Environ, host: Comfyui) -> None:
    error = await refused(at_home, prompt=emulated.BROKEN)
    assert "KSampler with RuntimeError" in error.message
    assert "/srv" not in f"{error.message} {error.hint} {error.facts}"


@pytest.mark.parametrize("runs", [False, True], ids=["it waits", "it runs"])
async def test_a_cancelled_job_leaves_the_server(at_home: Environ, host: Comfyui, runs: bool) -> None:
    host.busy = True
    async with ImageService(open_pipeline(PROVIDER, at_home, timeout=8.0), wait=0.2) as service:
        handle = await service.submit(ImageRequest(prompt="a fox", model="comfyui"))
        assert isinstance(handle, JobHandle)
        job = service._runner.get(handle.id)  # pyright: ignore[reportPrivateUsage] - its error is not public
        assert job is not None
        while not host.pending:  # a busy machine is not that far after the wait
            await anyio.sleep(0.01)
        if runs:
            host.running.append(host.pending.pop())
        service.cancel(handle.id)
        with anyio.fail_after(10):
            await job.done.wait()
    assert (host.pending, host.running) == ([], [])
    assert job.error is not None
    assert job.error.facts["code"] == "cancelled"
