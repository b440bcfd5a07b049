"""Requests to ComfyUI beside those for images: nodes and files before a graph is sent, uploads, and cancellations.

Facts: what a real server (0.3.64) answered. It queues the same id again, so the id is chosen and stored here, and
looked up in queue and history before anything is sent again. A newer server takes a canonical UUID only.
"""

from __future__ import annotations

import json
import random
import re
import uuid
from typing import Any, cast

from pydantic import JsonValue, RootModel

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Picture
from atelier.providers.transport.vendor_json import parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.comfyui.graphs import Graph, file_name
from atelier.providers.vendors.comfyui.prompts import ABSENT, RUNNING, WAITING, entry_of, queue
from atelier.providers.vendors.comfyui.workflows import seed_nodes
from atelier.providers.vendors.contract import Completed, Job

MAX_RANDOM_SEED = 2**53 - 1
NAMES_SHOWN = 30
FILES = frozenset({
    ("CheckpointLoaderSimple", "ckpt_name"), ("UNETLoader", "unet_name"), ("CLIPLoader", "clip_name"),
    ("DualCLIPLoader", "clip_name1"), ("DualCLIPLoader", "clip_name2"), ("VAELoader", "vae_name"),
    ("UpscaleModelLoader", "model_name"),
})  # fmt: skip
"""Inputs that name a file of the server."""

ALIKE = {
    "sd_xl_base_1.0.safetensors": r"xl|pony|illustrious",
    "flux1-dev.safetensors": r"flux[._-]?1|flux[._-]?(dev|schnell)",
    "t5xxl_fp16.safetensors": r"t5",
    "clip_l.safetensors": r"clip_l",
    "ae.safetensors": r"(^|[/\\])ae[._]|flux.*vae",
    "z_image_turbo_bf16.safetensors": r"z[_-]?image",
    "qwen_3_4b.safetensors": r"qwen_?3_4b",
    "qwen_image_2512_fp8_e4m3fn.safetensors": r"qwen[_-]?image(?!.*(edit|layer))",
    "qwen_2.5_vl_7b_fp8_scaled.safetensors": r"qwen_?2\.?5_vl",
    "qwen_image_vae.safetensors": r"qwen[_-]?image.*vae",
    "RealESRGAN_x4plus.pth": r".",
}
"""Usual file of a built-in graph -> what others of its kind are called."""


class Nodes(RootModel[dict[str, dict[str, JsonValue]]]):
    """GET /object_info/{class}"""


async def complete(request: httpx.Request, job: Job, wire: Wire) -> Completed:
    """Check the graph against the server's nodes and files, upload the sources, and name the graph."""
    body = json.loads(request.read())
    graph: Graph = body["prompt"]
    await _check(graph, job, wire)
    for source in (*job.request.sources, *((job.request.mask,) if job.request.mask else ())):
        await _upload(source, job, wire)
    if job.request.seed is None:
        _draw_seed(graph, own=job.model.any_value)
    id = str(uuid.uuid4())
    sent = httpx.Request("POST", request.url, json={**body, "prompt_id": id})
    return Completed(sent, {"prompt_id": id})


def _draw_seed(graph: Graph, *, own: bool) -> None:
    """Put a random seed into the graph: into every sampler of a built-in one, into the slot of the user's."""
    seed = random.randint(1, MAX_RANDOM_SEED)  # noqa: S311
    slots = seed_nodes(graph) if own else [(n["inputs"], "seed") for n in graph.values() if "seed" in n["inputs"]]
    for inputs, name in slots:
        inputs[name] = seed


async def _check(graph: Graph, job: Job, wire: Wire) -> None:
    """Raise before anything is sent where a node or a named file is missing; put the server's files in place of usual
    ones that it lacks."""
    for class_type in sorted({str(node["class_type"]) for node in graph.values()}):
        known = await _inputs(class_type, job, wire)
        for node in (node for node in graph.values() if node["class_type"] == class_type):
            for name, value in node["inputs"].items():
                allowed = _allowed(known.get(name))
                if (class_type, name) in FILES and allowed is not None and value not in allowed:
                    node["inputs"][name] = _other_file(class_type, value, allowed, job)


async def _inputs(class_type: str, job: Job, wire: Wire) -> dict[str, JsonValue]:
    """Return the inputs of a node. Raises unsupported_option for one that the server does not have."""
    url = f"{job.endpoint.base_url}/object_info/{class_type}"
    node = parse_answer(Nodes, (await wire.free("GET", url)).content).root.get(class_type)
    if node is None:
        message = f"The ComfyUI server has no node {sanitize(class_type, 80)}, which the graph needs."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Update ComfyUI, or install the custom node.")
    kinds: Any = node.get("input") or {}
    return {**(kinds.get("required") or {}), **(kinds.get("optional") or {})}


def _allowed(input: JsonValue) -> list[JsonValue] | None:
    """Return the values of a list input: `[[values]]`, or `["COMBO", {"options": [values]}]` of newer nodes."""
    match input:
        case [list() as values, *_]:
            return values
        case ["COMBO", {"options": list() as values}, *_]:
            return cast("list[JsonValue]", values)
        case _:
            return None


def _other_file(class_type: str, wanted: str, allowed: list[JsonValue], job: Job) -> str:
    """Return a file of the same kind for a usual one that is missing. Raises for a requested one."""
    chosen = wanted in (job.request.options.get("checkpoint"), job.request.options.get("upscaler"))
    files = [each for each in allowed if isinstance(each, str)]
    alike = [each for each in files if wanted in ALIKE and re.search(ALIKE[wanted], each, re.IGNORECASE)]
    if alike and not chosen and not job.model.any_value:
        return alike[0]
    have = ", ".join(sanitize(each, 80) for each in files[:NAMES_SHOWN]) or "none"
    message = f"The ComfyUI server has no file “{sanitize(wanted, 80)}” for {class_type}."
    option = "upscaler" if class_type == "UpscaleModelLoader" else "checkpoint"
    hint = f"Name one with the option {option}, or use another model. It has {have}."
    raise ImageError(Reason.UNKNOWN_MODEL, message, hint=hint, facts={"option": option})


async def _upload(source: Picture, job: Job, wire: Wire) -> None:
    files = {"image": (file_name(source), source.image_bytes, source.mime), "overwrite": (None, "true")}
    await wire.free("POST", f"{job.endpoint.base_url}/upload/image", files=files)


async def lookup(job: Job, wire: Wire) -> bool:
    """Return whether the server has the graph, in its queue or in its history."""
    id = str((job.task or {})["prompt_id"])
    return (await queue(job, wire)).place(id) != ABSENT or await entry_of(id, job, wire) is not None


async def cancel(job: Job, wire: Wire) -> None:
    """Take the graph out of the queue, or interrupt it if it is what runs: an older server ignores the id there."""
    id, base = str((job.task or {})["prompt_id"]), job.endpoint.base_url
    place = (await queue(job, wire)).place(id)
    if place == WAITING:
        await wire.free("POST", f"{base}/queue", json={"delete": [id]})
    elif place == RUNNING:
        await wire.free("POST", f"{base}/interrupt", json={"prompt_id": id})
