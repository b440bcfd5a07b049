"""api.together.xyz as far as images go: POST /v1/images/generations. It refuses what it does not know.

Facts: the vendor's client 3.1.1, 2026. Doubtful: the codes of refusals, and that a model without sources refuses them.
Nothing is billed, since no price is known.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.images import opened, plain
from atelier.providers.testing.server import Answer, Emulator, RefusedError, dashed

KEY = "tgp_v1_emulated-0123456789abcdef"
MODELS = {
    "black-forest-labs/FLUX.2-dev": "reference_images",
    "black-forest-labs/FLUX.1-kontext-pro": "image_url",
    "black-forest-labs/FLUX.1-schnell": "",
    "black-forest-labs/FLUX.1.1-pro": "",
}
"""Each model, and the field by which it takes sources."""
FIELDS = {
    "model", "prompt", "disable_safety_checker", "guidance_scale", "height", "image_loras", "image_url", "n",
    "negative_prompt", "output_format", "reference_images", "response_format", "seed", "steps", "width",
}  # fmt: skip


def trouble(status: int, code: str, message: str, **headers: str) -> Answer:
    """The vendor's error body; usable as a scripted fault as well."""
    kind = {429: "rate_limit", 500: "server_error"}.get(status, "invalid_request_error")
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Answer(status, body, {"x-request-id": "tg_trouble", **dashed(headers)})


MODERATED = trouble(422, "content_policy_violation", "NSFW content was detected in the prompt.")


class Together(Emulator):
    """The emulator. `url` ends in /v1; `always_links` answers with links for any request, at `link_host`."""

    def __init__(self, key: str = KEY) -> None:
        self.key, self.always_links = key, False
        self.links: list[bytes] = []
        self.link_host = "127.0.0.1"
        routes = [
            Route("/v1/images/generations", self.generations, methods=["POST"]),
            Route("/imgproxy/{number:int}", self.link),
        ]
        super().__init__(routes)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{super().url}/v1"

    async def generations(self, request: Request) -> Response:
        """POST /images/generations"""
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(trouble(401, "invalid_api_key", "Invalid API key provided."))
        body = json.loads(await request.body())
        check(body)
        format, count = body.get("output_format", "jpeg"), body.get("n", 1)
        image = plain((body.get("width", 1024), body.get("height", 1024)), format)
        items = [self._item(index, image, body) for index in range(count)]
        answer = {"id": "tg_emulated_1", "model": body["model"], "object": "list", "data": items}
        return JSONResponse(answer, headers={"x-request-id": "tg_emulated_1"})

    def _item(self, index: int, image: bytes, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("response_format", "url") == "base64" and not self.always_links:
            return {"index": index, "type": "b64_json", "b64_json": base64.b64encode(image).decode()}
        self.links.append(image)
        url = f"http://{self.link_host}:{self.port}/imgproxy/{len(self.links) - 1}"
        return {"index": index, "type": "url", "url": url}

    async def link(self, request: Request) -> Response:
        """GET a picture, without a key"""
        return Response(self.links[request.path_params["number"]], media_type="image/jpeg")


def check(body: dict[str, Any]) -> None:
    """Every rule that a request is held to."""

    def refuse(message: str, code: str = "invalid_parameter") -> None:
        raise RefusedError(trouble(400, code, message))

    if unknown := sorted(set(body) - FIELDS):
        refuse(f"Unrecognized parameter: {unknown[0]}.")
    model, count = body.get("model"), body.get("n", 1)
    if model not in MODELS:
        raise RefusedError(trouble(404, "model_not_available", f"Unable to access model {model}."))
    if not isinstance(body.get("prompt"), str) or not body["prompt"]:
        refuse("prompt is required.")
    if not isinstance(count, int) or not 1 <= count <= 4:
        refuse("n must be between 1 and 4.")
    for edge in ("width", "height"):
        if not 64 <= body.get(edge, 1024) <= 2048 or body.get(edge, 1024) % 16:
            refuse(f"{edge} must be a multiple of 16.")
    response, output = body.get("response_format", "url"), body.get("output_format", "jpeg")
    if response not in ("base64", "url") or output not in ("jpeg", "png"):
        refuse("response_format or output_format is invalid.")
    for field in ("image_url", "reference_images"):
        if field in body and MODELS[model] != field:
            refuse(f"{model} does not take {field}.")
    for source in [*body.get("reference_images", []), *([body["image_url"]] if "image_url" in body else [])]:
        if not source.startswith("data:image/"):
            refuse("An image is neither a URL that can be read nor a data URI.")
        opened(source).load()
