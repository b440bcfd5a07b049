"""A ComfyUI server as far as pictures go: graphs, queue, history, files, uploads.

Facts: what a real server (0.3.64) answered; `comfyui_nodes.json` is the part of its /object_info that graphs of images
use. The same id again is queued again, as there.
"""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any, cast

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from atelier.providers.testing.images import plain
from atelier.providers.testing.server import Answer, Emulator, RefusedError, dashed

NODES: dict[str, Any] = json.loads(Path(__file__).with_name("comfyui_nodes.json").read_bytes())
FILES: dict[tuple[str, str], list[str]] = {
    ("CheckpointLoaderSimple", "ckpt_name"): ["v1-5-pruned-emaonly.safetensors", "sd_xl_base_1.0.safetensors"],
    ("UNETLoader", "unet_name"): [
        "flux1-dev.safetensors", "z_image_turbo_bf16.safetensors", "qwen_image_edit_2509.safetensors",
        "qwen_image_2512_fp8_e4m3fn.safetensors",
    ],
    ("CLIPLoader", "clip_name"): ["qwen_2.5_vl_7b_fp8_scaled.safetensors", "qwen_3_4b.safetensors"],
    ("DualCLIPLoader", "clip_name1"): ["clip_l.safetensors", "t5xxl_fp16.safetensors"],
    ("DualCLIPLoader", "clip_name2"): ["clip_l.safetensors", "t5xxl_fp16.safetensors"],
    ("VAELoader", "vae_name"): ["ae.safetensors", "qwen_image_vae.safetensors", "pixel_space"],
    ("UpscaleModelLoader", "model_name"): ["RealESRGAN_x4plus.pth"],
}  # fmt: skip
BROKEN = "a broken graph"
"""A prompt whose graph fails in the sampler."""


def trouble(status: int, type: str, message: str, details: str = "", **headers: str) -> Answer:
    """The server's refusal; usable as a scripted fault as well."""
    body: dict[str, Any] = {
        "error": {"type": type, "message": message, "details": details, "extra_info": {}},
        "node_errors": {},
    }
    return Answer(status, body, dashed(headers))


def invalid(id: str, name: str, type: str, message: str, field: str) -> RefusedError:
    """The refusal of a graph for one input of one node."""
    fault = {"type": type, "message": message, "details": field, "extra_info": {"input_name": field}}
    answer = trouble(400, "prompt_outputs_failed_validation", "Prompt outputs failed validation")
    nodes = {id: {"errors": [fault], "dependent_outputs": ["9"], "class_type": name}}
    return RefusedError(Answer(400, {**answer.body, "node_errors": nodes}))


class Comfyui(Emulator):
    """The server. A graph runs when its history is requested the second time; with `busy` it stays in the queue.

    `files` are the names of its model files, `lacks` the nodes that it does not have. `polls` are the routes that are
    polled while a graph runs, with a log and a script of their own on the server's port.
    """

    free = ("/upload/image", "/queue", "/interrupt", "/object_info", "/view")

    def __init__(self) -> None:
        routes = [
            Route("/prompt", self.prompt, methods=["POST"]),
            Route("/history/{id}", self.history),
            Route("/queue", self.queue),
            Route("/queue", self.unqueue, methods=["POST"]),
            Route("/interrupt", self.interrupt, methods=["POST"]),
            Route("/object_info/{name}", self.object_info),
            Route("/upload/image", self.upload, methods=["POST"]),
            Route("/view", self.view),
            Route("/system_stats", self.system_stats),
        ]
        super().__init__(routes)
        self.polls = Emulator(self.app)
        self.reset()

    def reset(self) -> None:
        """As new, on the same port."""
        self.busy = False
        self.files = {place: list(names) for place, names in FILES.items()}
        self.lacks = set[str]()
        self.graphs = dict[str, dict[str, Any]]()
        self.pending, self.running = list[str](), list[str]()
        self.done = dict[str, dict[str, Any]]()
        self.images = dict[str, bytes]()
        self.inputs = dict[str, bytes]()
        self.clear()
        self.polls.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send polls to their own log and script."""
        polls = scope["type"] == "http" and scope["path"].startswith("/history")
        await (self.polls if polls else super()).__call__(scope, receive, send)

    async def system_stats(self, request: Request) -> Response:
        """GET /system_stats"""
        return JSONResponse({"system": {"comfyui_version": "0.3.64"}})

    async def object_info(self, request: Request) -> Response:
        """GET /object_info/{class}"""
        name = request.path_params["name"]
        return JSONResponse({name: self._node(name)} if name in NODES and name not in self.lacks else {})

    def _node(self, name: str) -> dict[str, Any]:
        node = json.loads(json.dumps(NODES[name]))
        for (owner, field), names in self.files.items():
            if owner == name:
                old = node["input"]["required"][field]
                node["input"]["required"][field] = ["COMBO", {"options": names}] if old[0] == "COMBO" else [names]
        return node

    async def prompt(self, request: Request) -> Response:
        """POST /prompt"""
        try:
            body: dict[str, Any] = json.loads(await request.body())
        except ValueError:
            return Response("500 Internal Server Error", 500, media_type="text/plain")
        if "prompt" not in body:
            raise RefusedError(trouble(400, "no_prompt", "No prompt provided"))
        id = body.get("prompt_id", str(uuid.uuid4()))
        if str(uuid.UUID(id)) != id:
            raise RefusedError(trouble(400, "invalid_prompt_id", "prompt_id must be a canonical UUID"))
        self._check(body["prompt"])
        self.graphs[id] = body["prompt"]
        self.pending.append(id)
        return JSONResponse({"prompt_id": id, "number": len(self.graphs), "node_errors": {}})

    def _check(self, graph: dict[str, Any]) -> None:
        for id, node in graph.items():
            name = node["class_type"]
            if name not in NODES or name in self.lacks:
                raise RefusedError(trouble(400, "missing_node_type", f"Node '{name}' not found."))
            kinds = self._node(name)["input"]
            for field, kind in kinds["required"].items():
                if field not in node["inputs"]:
                    raise invalid(id, name, "required_input_missing", "Required input is missing", field)
                if words := self._wrong(node["inputs"][field], kind, field):
                    raise invalid(id, name, *words, field)
            known = kinds["required"].keys() | kinds.get("optional", {}).keys()
            assert node["inputs"].keys() <= known, f"{name} has no {node['inputs'].keys() - known}"
        if not any(node["class_type"] in ("SaveImage", "PreviewImage") for node in graph.values()):
            raise RefusedError(trouble(400, "prompt_no_outputs", "Prompt has no outputs"))

    def _wrong(self, value: Any, kind: Any, field: str) -> tuple[str, str] | None:
        options: Any = kind[1]["options"] if kind[0] == "COMBO" else kind[0]
        if isinstance(value, list):
            return None
        if field == "image" and isinstance(options, list):
            return None if value in self.inputs else ("custom_validation_failed", "Custom validation failed for node")
        if isinstance(options, list):
            return None if value in options else ("value_not_in_list", "Value not in list")
        bounds: dict[str, Any] = kind[1] if len(kind) > 1 else {}
        if kind[0] in ("INT", "FLOAT") and value < bounds.get("min", value):
            return "value_smaller_than_min", f"Value {value} smaller than min of {bounds['min']}"
        if kind[0] in ("INT", "FLOAT") and value > bounds.get("max", value):
            return "value_bigger_than_max", f"Value {value} bigger than max of {bounds['max']}"
        return None

    async def history(self, request: Request) -> Response:
        """GET /history/{id}: {} while it waits or runs, and where it is unknown"""
        id = request.path_params["id"]
        if id in self.running and not self.busy:
            self.running.remove(id)
            self.done[id] = self._executed(id)
        elif id in self.pending and not self.busy:
            self.pending.remove(id)
            self.running.append(id)
        return JSONResponse({id: self.done[id]} if id in self.done else {})

    def _executed(self, id: str) -> dict[str, Any]:
        graph = self.graphs[id]
        texts = [node["inputs"].get("text") for node in graph.values()]
        if BROKEN in texts:
            about: dict[str, Any] = {
                "node_id": "5",
                "node_type": "KSampler",
                "executed": [],
                "exception_type": "RuntimeError",
            }
            error = {**about, "exception_message": "Sizes differ in /srv/ComfyUI/comfy/model.py", "traceback": ["/srv"]}
            messages = [["execution_error", error]]
            status: dict[str, Any] = {"status_str": "error", "completed": False, "messages": messages}
            return {"prompt": [0, id, graph, {}, []], "outputs": {}, "status": status}
        outputs = {key: self._saved(graph, node) for key, node in graph.items() if node["class_type"] == "SaveImage"}
        status = {"status_str": "success", "completed": True, "messages": [["execution_success", {"prompt_id": id}]]}
        return {"prompt": [0, id, graph, {}, list(outputs)], "outputs": outputs, "status": status, "meta": {}}

    def _saved(self, graph: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
        name = f"{node['inputs']['filename_prefix']}_{len(self.images):05}_.png"
        self.images[name] = plain(self._size(graph, node["inputs"]["images"][0]))
        return {"images": [{"filename": name, "subfolder": "", "type": "output"}]}

    def _size(self, graph: dict[str, Any], id: str) -> tuple[int, int]:
        """The size of what a node makes, by its own inputs or those of the nodes before it."""
        inputs = graph[id]["inputs"]
        if "width" in inputs:
            return inputs["width"], inputs["height"]
        if graph[id]["class_type"] == "LoadImage":
            return Image.open(io.BytesIO(self.inputs[inputs["image"]])).size
        order = ("samples", "latent_image", "pixels", "image")
        link = cast("list[Any]", next(inputs[name] for name in order if name in inputs))
        width, height = self._size(graph, link[0])
        if graph[id]["class_type"] == "ImagePadForOutpaint":
            return width + inputs["left"] + inputs["right"], height + inputs["top"] + inputs["bottom"]
        factor = 4 if graph[id]["class_type"] == "ImageUpscaleWithModel" else 1
        return width * factor, height * factor

    async def queue(self, request: Request) -> Response:
        """GET /queue"""
        running: list[list[Any]] = [[0, id, {}, {}, []] for id in self.running]
        return JSONResponse({"queue_running": running, "queue_pending": [[1, id, {}, {}, []] for id in self.pending]})

    async def unqueue(self, request: Request) -> Response:
        """POST /queue: removes graphs that wait"""
        for id in (await request.json()).get("delete", []):
            self.pending.remove(id)
        return Response()

    async def interrupt(self, request: Request) -> Response:
        """POST /interrupt: stops what runs"""
        for id in self.running:
            messages = [["execution_interrupted", {"prompt_id": id, "node_id": "5"}]]
            status = {"status_str": "error", "completed": False, "messages": messages}
            self.done[id] = {"prompt": [0, id, self.graphs[id], {}, []], "outputs": {}, "status": status}
        self.running.clear()
        return Response()

    async def upload(self, request: Request) -> Response:
        """POST /upload/image"""
        async with request.form() as form:
            image: Any = form["image"]
            assert form["overwrite"] == "true"
            self.inputs[image.filename] = await image.read()
        return JSONResponse({"name": image.filename, "subfolder": "", "type": "input"})

    async def view(self, request: Request) -> Response:
        """GET /view"""
        data = self.images.get(request.query_params["filename"])
        return Response(data, media_type="image/png") if data else Response(status_code=404)
