"""Workflows of the user's: files in ComfyUI's API format in the folder COMFYUI_WORKFLOWS, with nodes that are slots.

`comfyui/portrait` is portrait.json, and `comfyui/two-faces` may be `Two Faces.json`. A node that is titled prompt,
negative_prompt, size, seed, image, image_2 to image_4 or mask gets that value in the input of its kind; all else stays
as it is in the file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.vendors.comfyui.graphs import Graph, file_name
from atelier.providers.vendors.contract import Job

FOLDER_VARIABLE = "COMFYUI_WORKFLOWS"
MAX_BYTES = 2**20
TEXTS, SEEDS = ("text", "prompt", "value", "string"), ("seed", "noise_seed", "value")
FILES_SHOWN = 30


def workflow_of(job: Job) -> Graph:
    """Return the user's graph with the request in its slots. Raises unsupported_option for one that it lacks."""
    graph, request = _read(job), job.request
    width, height = job.size or (None, None)
    sources = {f"image_{number}" if number > 1 else "image": each for number, each in enumerate(request.sources, 1)}
    for slot, value in (
        ("prompt", request.prompt or None),
        ("negative_prompt", request.negative_prompt),
        ("seed", request.seed),
        ("size", job.size and {"width": width, "height": height}),
        *((slot, file_name(source)) for slot, source in sources.items()),
        ("mask", request.mask and file_name(request.mask)),
    ):
        if value is not None:
            _fill(graph, slot, value, job.model.id)
    for option, value in (
        ("aspect_ratio", None if job.size else request.aspect_ratio),
        ("strength", request.strength),
        *request.options.items(),
    ):
        if value is not None:
            raise _lacking(job.model.id, option)
    return graph


def seed_nodes(graph: Graph) -> list[tuple[dict[str, Any], str]]:
    """Return the inputs of the node that is titled seed, and the name of the one that holds it."""
    nodes = [node for node in graph.values() if _title(node) == "seed"]
    return [(node["inputs"], name) for node in nodes for name in SEEDS if type(node["inputs"].get(name)) is int]


def _fill(graph: Graph, slot: str, value: Any, id: str) -> None:
    names = {"prompt": TEXTS, "negative_prompt": TEXTS, "seed": SEEDS}.get(slot, ("image",))
    for node in graph.values():
        if _title(node) != slot:
            continue
        inputs = node["inputs"]
        if isinstance(value, dict) and {"width", "height"} <= inputs.keys():
            inputs.update(value)
            return
        field = next((name for name in names if name in inputs and not isinstance(inputs[name], list)), None)
        if field and slot != "size":
            inputs[field] = value
            return
    raise _lacking(id, slot)


def _title(node: dict[str, Any]) -> str:
    meta = node.get("_meta")
    title = cast("dict[str, Any]", meta).get("title") if isinstance(meta, dict) else None
    return title.strip().lower().replace(" ", "_") if isinstance(title, str) else ""


def _lacking(id: str, slot: str) -> ImageError:
    message = f"The workflow {sanitize(id, 80)} has no slot for {sanitize(slot, 40)}."
    hint = f"Title its node “{sanitize(slot, 40)}” in ComfyUI and export the workflow again, or leave it out."
    return ImageError(Reason.UNSUPPORTED_OPTION, message, hint=hint, facts={"option": slot})


def _read(job: Job) -> Graph:
    """Return the workflow of a file. Raises unknown_model for none, invalid_request for another format."""
    id, name = job.model.id, job.model.id.removesuffix(".json")
    folder = Path(job.endpoint.folder).expanduser() if job.endpoint.folder else None
    path = folder / f"{name}.json" if folder else None
    if folder and path and not path.is_file():
        path = next((each for each in sorted(folder.glob("*.json")) if _callable(each.stem) == _callable(name)), None)
    if not (folder and path and path.resolve().is_relative_to(folder.resolve()) and path.is_file()):
        have = sorted(_callable(each.stem) for each in folder.glob("*.json"))[:FILES_SHOWN] if folder else []
        where = (
            f"It has {', '.join(map(sanitize, have)) or 'none'}." if folder else f"Set {FOLDER_VARIABLE} to a folder."
        )
        message = f"No workflow is called “{sanitize(id, 80)}” in the folder of {FOLDER_VARIABLE}."
        raise ImageError(Reason.UNKNOWN_MODEL, message, hint=where)
    try:
        data = path.read_bytes()
        graph: Any = json.loads(data) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError):
        graph = None
    if not _is_api_format(graph):
        message = f"The workflow {sanitize(id, 80)} is not in ComfyUI's API format."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Export it with “Export (API)” in ComfyUI.")
    return graph


def _callable(stem: str) -> str:
    """Return the name by which a file is called: ComfyUI's own names have spaces, which a model's name cannot have."""
    return re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._")


def _is_api_format(graph: Any) -> bool:
    if not isinstance(graph, dict) or not graph:
        return False
    nodes = cast("dict[str, Any]", graph).values()
    return all(
        isinstance(node, dict) and isinstance(cast("dict[str, Any]", node).get("inputs"), dict) and "class_type" in node
        for node in nodes
    )
