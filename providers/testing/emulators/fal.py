"""queue.fal.run as far as pictures go: a submission, its status and result on another port, files without a key.

Facts: the vendor's client 1.0.3 and docs as of 2026-11. Like the vendor it drops fields that an endpoint does not know;
`dropped` tells which. The addresses of a request lack the sub-path of its endpoint.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atelier.providers.testing.emulators.polled import PolledEmulator
from atelier.providers.testing.images import opened, plain
from atelier.providers.testing.server import Answer, Bill, RefusedError, dashed

KEY = "0f0e0d0c-emulated:0123456789abcdef"
SEED = 4242

RATIOS = {"21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"}
TEXT = {"prompt", "image_size", "seed", "num_images", "output_format", "sync_mode", "enable_safety_checker"}
SAMPLED = TEXT | {"num_inference_steps", "guidance_scale"}
GOOGLE = {"prompt", "num_images", "output_format", "aspect_ratio", "sync_mode"}
PRO = {"prompt", "image_size", "seed", "output_format", "sync_mode", "enable_safety_checker"}

ENDPOINTS: dict[str, tuple[set[str], str]] = {
    "fal-ai/flux/dev": (SAMPLED, "0.025"),
    "fal-ai/flux/dev/image-to-image": (SAMPLED - {"image_size"} | {"image_url", "strength", "image_size"}, "0.025"),
    "fal-ai/flux/schnell": (SAMPLED, "0.003"),
    "fal-ai/flux-pro/v1.1": (TEXT, "0.04"),
    "fal-ai/flux-pro/v1.1-ultra": (TEXT - {"image_size"} | {"aspect_ratio", "raw"}, "0.06"),
    "fal-ai/flux-2-pro": (PRO, "0.03"),
    "fal-ai/flux-2-pro/edit": (PRO | {"image_urls"}, "0.03"),
    "fal-ai/nano-banana": (GOOGLE, "0.039"),
    "fal-ai/nano-banana/edit": (GOOGLE | {"image_urls"}, "0.039"),
    "fal-ai/nano-banana-2": (GOOGLE | {"resolution"}, "0.08"),
    "fal-ai/nano-banana-2/edit": (GOOGLE | {"resolution", "image_urls"}, "0.08"),
    "fal-ai/nano-banana-pro": (GOOGLE | {"resolution"}, "0.15"),
    "fal-ai/nano-banana-pro/edit": (GOOGLE | {"resolution", "image_urls"}, "0.15"),
    "fal-ai/ideogram/v3": (TEXT - {"output_format"} | {"rendering_speed", "style"}, "0.06"),
    "fal-ai/recraft/v3/text-to-image": ({"prompt", "image_size", "style"}, "0.0398"),
    "fal-ai/bytedance/seedream/v3/text-to-image": (SAMPLED - {"output_format"}, "0.03"),
    "fal-ai/clarity-upscaler": ({"image_url", "prompt", "upscale_factor"}, "0.03"),
}
"""Endpoint -> its fields, and the price of a small picture."""


def trouble(status: int, detail: Any, **headers: str) -> Answer:
    """FastAPI's error body; usable as a scripted fault as well."""
    return Answer(status, {"detail": detail}, dashed(headers))


def invalid(field: str, type: str, message: str, status: int = 422) -> Answer:
    return trouble(
        status, [{"loc": ["body", field], "msg": message, "type": type, "url": f"https://docs.fal.ai/{type}"}]
    )


NOT_AUTHENTICATED = trouble(401, 'Cannot access application "fal-ai/flux". Authentication is required.')
FORBIDDEN = trouble(403, "Cannot access this application.")
LOCKED = trouble(403, "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.")
NOT_FOUND = trouble(404, "Application 'no-such' not found")
MODERATED = invalid("prompt", "content_policy_violation", "The content could not be processed by a content checker.")
FAILED = Answer(
    200,
    {"status": "COMPLETED", "request_id": "r", "error": "Runner disconnected", "error_type": "runner_disconnected"},
)
FLAGGED = "a flagged prompt"
"""A prompt whose picture is blacked out."""


@dataclass(slots=True)
class Task:
    """A request in the queue: it runs when its status is polled the second time."""

    app: str
    endpoint: str
    body: dict[str, Any]
    looks: int = 0
    cancelled: bool = False


class Fal(PolledEmulator):
    """The submit host, which also has the files. `polls` has the status and the results, with its own log and script.

    With `stays_queued` no request ever runs. `polls_name` is the name in the addresses of a request.
    """

    def __init__(self, key: str = KEY) -> None:
        routes = [
            Route("/files/{name}", self.file),
            Route("/{endpoint:path}", self.submit, methods=["POST"]),
        ]
        poll_routes = [
            Route("/{app:path}/requests/{id}/status", self.status),
            Route("/{app:path}/requests/{id}/cancel", self.cancel, methods=["PUT"]),
            Route("/{app:path}/requests/{id}", self.result),
        ]
        super().__init__(routes, poll_routes)
        self.key = key
        self.reset()

    def reset(self) -> None:
        """As new, on the same ports."""
        self.polls_name = "127.0.0.1"
        self.stays_queued = False
        self.dropped = list[str]()
        self.tasks = dict[str, Task]()
        self.files = dict[str, bytes]()
        self.clear()

    def _greet(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Key {self.key}":
            raise RefusedError(NOT_AUTHENTICATED)

    async def submit(self, request: Request) -> Response:
        """POST /{endpoint id}"""
        endpoint = request.path_params["endpoint"]
        self._greet(request)
        if endpoint not in ENDPOINTS:
            return NOT_FOUND.response()
        try:
            body: dict[str, Any] = json.loads(await request.body())
            body.keys()
        except (ValueError, AttributeError):
            return invalid("", "json_invalid", "JSON decode error").response()
        fields, _ = ENDPOINTS[endpoint]
        self.dropped += sorted(set(body) - fields)
        id = secrets.token_hex(8)
        app = "/".join(endpoint.split("/")[:2])
        self.tasks[id] = Task(app, endpoint, {name: body[name] for name in body if name in fields})
        address = f"http://{self.polls_name}:{self.polls.port}/{app}/requests/{id}"
        return Answer(
            200,
            {
                "request_id": id,
                "status": "IN_QUEUE",
                "queue_position": 0,
                "response_url": address,
                "status_url": f"{address}/status",
                "cancel_url": f"{address}/cancel",
            },
        ).response()

    def _task(self, request: Request) -> Task:
        self._greet(request)
        task = self.tasks.get(request.path_params["id"])
        if task is None or task.app != request.path_params["app"]:
            raise RefusedError(trouble(404, "Request not found"))
        return task

    async def status(self, request: Request) -> Response:
        """GET the status: 202 until it is done"""
        task = self._task(request)
        task.looks += not self.stays_queued
        id = request.path_params["id"]
        if task.cancelled:
            error = {"error": "Request was cancelled", "error_type": "request_cancelled", "logs": None}
            return Answer(200, {"status": "COMPLETED", "request_id": id, **error}).response()
        if task.looks <= 1:
            return Answer(202, {"status": "IN_QUEUE", "request_id": id, "queue_position": 0}).response()
        if task.looks == 2:
            return Answer(202, {"status": "IN_PROGRESS", "request_id": id, "logs": None}).response()
        return Answer(
            200, {"status": "COMPLETED", "request_id": id, "logs": None, "metrics": {"inference_time": 0.7}}
        ).response()

    async def cancel(self, request: Request) -> Response:
        """PUT the cancellation"""
        task = self._task(request)
        if task.looks > 2:
            return Answer(400, {"status": "ALREADY_COMPLETED"}).response()
        task.cancelled = True
        return Answer(202, {"status": "CANCELLATION_REQUESTED"}).response()

    async def result(self, request: Request) -> Response:
        """GET the result: the model's own status and body"""
        task = self._task(request)
        if task.looks < 3:
            return trouble(400, "Request is still in progress").response()
        check(task.body, task.endpoint)
        count = task.body.get("num_images", 1)
        self.billed.append(Bill(Decimal(ENDPOINTS[task.endpoint][1]) * count, count))
        return Answer(200, self._made(task, count), {"x-fal-billable-units": f"{count}"}).response()

    def _made(self, task: Task, count: int) -> dict[str, Any]:
        format = task.body.get("output_format", "jpeg")
        size = task.body.get("image_size") or {"width": 1024, "height": 768}
        blocked = task.body.get("prompt") == FLAGGED
        images = list[dict[str, Any]]()
        for _ in range(count):
            name = f"{secrets.token_hex(6)}.{format}"
            self.files[name] = plain((size["width"], size["height"]), format, "black" if blocked else "teal")
            images.append({"url": f"{self.url}/files/{name}", "content_type": f"image/{format}", **size})
        made: dict[str, Any] = {"image": images[0]} if "upscaler" in task.endpoint else {"images": images}
        return {**made, "seed": SEED, "prompt": task.body.get("prompt"), "has_nsfw_concepts": [blocked] * count}

    async def file(self, request: Request) -> Response:
        """GET a picture of v3.fal.media; a key must not come along"""
        assert "authorization" not in request.headers
        data = self.files.get(request.path_params["name"])
        return Response(data, media_type="image/jpeg") if data else Response(status_code=404)


def check(body: dict[str, Any], endpoint: str) -> None:
    """What the model says of a bad input, in the result."""
    size: dict[str, int] | None = body.get("image_size")
    count = body.get("num_images", 1)
    if "upscaler" not in endpoint and not body.get("prompt"):
        raise RefusedError(invalid("prompt", "missing", "Field required"))
    if size and (size.keys() != {"width", "height"} or max(size.values()) > 14142):
        raise RefusedError(invalid("image_size", "less_than_equal", "Input should be less than or equal to 14142"))
    if not 1 <= count <= 4:
        raise RefusedError(invalid("num_images", "less_than_equal", "Input should be less than or equal to 4"))
    if body.get("aspect_ratio", "1:1") not in RATIOS or body.get("output_format", "png") not in ("png", "jpeg"):
        raise RefusedError(invalid("output_format", "literal_error", "Input should be 'jpeg' or 'png'"))
    if body.get("resolution", "1K") not in ("0.5K", "1K", "2K", "4K"):
        raise RefusedError(invalid("resolution", "literal_error", "Input should be '1K', '2K' or '4K'"))
    edits = endpoint.endswith(("/edit", "/image-to-image", "upscaler"))
    links = [body["image_url"]] if "image_url" in body else body.get("image_urls", [])
    if edits != bool(links):
        raise RefusedError(invalid("image_url", "missing", "Field required"))
    for link in links:
        try:
            opened(link).load()
        except (ValueError, OSError):
            raise RefusedError(invalid("image_url", "image_load_error", "Failed to load the image.")) from None
