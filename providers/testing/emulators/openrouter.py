"""openrouter.ai as far as the Image API goes: POST /api/v1/images, and the prices of a model's endpoints.

Facts: the vendor's client 1.3.84, 2026-10. It refuses parameters that a model does not support, and bills what it says.
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.images import opened, plain
from atelier.providers.testing.server import Answer, Bill, Emulator, dashed

KEY = "sk-or-v1-emulated-0123456789abcdef"
SHARED = {"model", "prompt", "n", "provider", "user", "session_id", "trace"}
GPT = {"size", "aspect_ratio", "quality", "background", "output_format", "output_compression", "input_references"}
GEMINI = {"aspect_ratio", "resolution", "input_references"}
MODELS: dict[str, set[str]] = {
    "openai/gpt-image-2.5-flare": GPT,
    "openai/gpt-image-2.5-sunburst": GPT,
    "google/gemini-3-pro-image": GEMINI,
    "google/gemini-3.1-flash-image": GEMINI,
    "microsoft/mai-image-2.6": set(),
    "microsoft/mai-image-2.6-flash": set(),
    "bytedance-seed/seedream-4.5": {"size", "seed", "input_references"},
}
"""Each model with the parameters that it supports besides those that all have."""
IMAGE = Decimal("0.04")
PRICING: dict[str, list[dict[str, Any]]] = {
    "openai/gpt-image-2.5-flare": [{"billable": "output_image", "unit": "token", "cost_usd": 0.00003}],
    "bytedance-seed/seedream-4.5": [
        {"billable": "output_image", "unit": "image", "cost_usd": 0.04},
        {"billable": "input_reference", "unit": "image", "cost_usd": 0},
    ],
}


def trouble(status: int, message: str, metadata: dict[str, Any] | None = None, **headers: str) -> Answer:
    """The vendor's error body; usable as a scripted fault as well."""
    body = {"error": {"code": status, "message": message, "metadata": metadata}, "user_id": "user_emulated"}
    return Answer(status, body, {"x-request-id": "or_trouble", **dashed(headers)})


MODERATED = trouble(
    403,
    "Your chosen model requires moderation and your input was flagged.",
    {"reasons": ["violence"], "flagged_input": "a"},
)
NO_CREDITS = trouble(402, "Insufficient credits. Add more and retry.")


class OpenRouter(Emulator):
    """The emulator. `url` ends in /api/v1. `own_key` bills as with a key of the user's at the vendor (BYOK).

    With `links` it answers with links, as some providers behind it do.
    """

    free = ("/api/v1/images/models",)

    def __init__(self, key: str = KEY) -> None:
        self.key, self.own_key, self.links = key, False, False
        self._linked = list[bytes]()
        routes = [
            Route("/api/v1/images", self.images, methods=["POST"]),
            Route("/api/v1/images/models", self.models),
            Route("/api/v1/links/{number:int}", self.link),
            Route("/api/v1/images/models/{author}/{slug}/endpoints", self.endpoints),
        ]
        super().__init__(routes)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{super().url}/api/v1"

    async def images(self, request: Request) -> Response:
        """POST /images"""
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return trouble(401, "No auth credentials found").response()
        body = json.loads(await request.body())
        if body.get("model") not in MODELS:
            return trouble(404, f"No endpoints found for {body.get('model')}.").response()
        if wrong := mistake(body):
            return trouble(400, wrong).response()
        count, format = body.get("n", 1), body.get("output_format", "png")
        width, height = (int(edge) for edge in body.get("size", "1024x1024").split("x"))
        image = plain((width, height), format)
        item = {"b64_json": base64.b64encode(image).decode(), "media_type": f"image/{format}"}
        if self.links:
            self._linked.append(image)
            item = {"url": f"links/{len(self._linked) - 1}"}
        self.billed.append(Bill(IMAGE * count, count))
        usage = {
            "prompt_tokens": 4,
            "completion_tokens": 1290 * count,
            "total_tokens": 4 + 1290 * count,
            "cost": 0.0 if self.own_key else float(IMAGE * count),
            "is_byok": self.own_key,
            "cost_details": {
                "upstream_inference_cost": float(IMAGE * count) if self.own_key else None,
                "upstream_inference_prompt_cost": 0.0,
                "upstream_inference_completions_cost": float(IMAGE * count),
            },
        }
        answer = {"created": 1795132800, "data": [item] * count, "usage": usage}
        return JSONResponse(answer, headers={"x-request-id": "or_emulated_1"})

    async def link(self, request: Request) -> Response:
        """GET links/{number}: an image, to anyone with the link"""
        return Response(self._linked[request.path_params["number"]], media_type="image/png")

    async def endpoints(self, request: Request) -> Response:
        """GET /images/models/{author}/{slug}/endpoints"""
        id = f"{request.path_params['author']}/{request.path_params['slug']}"
        if id not in MODELS:
            return trouble(404, "Not found").response()
        names = {"provider_name": "Emulated", "provider_slug": "emulated", "provider_tag": None}
        supports: dict[str, Any] = {
            "supported_parameters": {},
            "allowed_passthrough_parameters": [],
            "supports_streaming": False,
        }
        return JSONResponse({"id": id, "endpoints": [{**names, **supports, "pricing": PRICING.get(id, [])}]})

    async def models(self, request: Request) -> Response:
        """GET /images/models"""
        about: dict[str, Any] = {
            "name": "",
            "description": "",
            "created": 0,
            "supports_streaming": False,
            "supported_parameters": {},
        }
        shape = {"architecture": {"input_modalities": ["text", "image"], "output_modalities": ["image"]}}
        rows = [{"id": id, "endpoints": f"/api/v1/images/models/{id}/endpoints", **about, **shape} for id in MODELS]
        return JSONResponse({"data": rows})


def mistake(body: dict[str, Any]) -> str:
    """Why a request is refused; empty for one that is taken."""
    if unknown := sorted(set(body) - SHARED - MODELS[body["model"]]):
        return f"{unknown[0]} is not supported by {body['model']}."
    if not isinstance(body.get("prompt"), str) or not body["prompt"]:
        return "prompt is required."
    if not 1 <= body.get("n", 1) <= 4:
        return "n must be between 1 and 4."
    choices = {
        "resolution": ("512", "768", "1K", "1.5K", "2K", "4K"),
        "quality": ("auto", "low", "medium", "high", "xhigh", "max"),
        "background": ("auto", "opaque", "transparent"),
        "output_format": ("png", "jpeg", "webp"),
    }
    if wrong := next((name for name, words in choices.items() if body.get(name, words[0]) not in words), None):
        return f"{wrong} is invalid."
    for reference in body.get("input_references", []):
        url = reference["image_url"]["url"]
        if reference["type"] != "image_url" or not url.startswith("data:image/"):
            return "input_references: not a data URL."
        opened(url).load()
    routing = body.get("provider", {})
    if set(routing) - {"order", "only", "ignore", "allow_fallbacks", "options"}:
        return "provider: unknown key."
    return ""
