"""A LiteLLM proxy in front of OpenAI: its own names of models and error bodies, and the cost in a header.

Facts: its docs of 2026-10 (response headers) and error bodies in its issues; not checked against a proxy.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, RefusedError, dashed

KEY = "sk-litellm-emulated-0123456789abcdef"
MODELS = {"draw": "gpt-image-2", "draw-new": "gpt-image-2.5-flare", "gpt-image-2": "gpt-image-2"}
"""The `model_list` of the proxy: its names, and the vendor's models behind them."""


def trouble(status: int, message: str, type: str | None = None, **headers: str) -> Answer:
    """The proxy's error body; usable as a scripted fault as well."""
    body = {"error": {"message": message, "type": type, "param": None, "code": f"{status}"}}
    return Answer(status, body, {"x-litellm-call-id": "call_trouble", **dashed(headers)})


MODERATED = trouble(400, "litellm.ContentPolicyViolationError: OpenAIException - Your request was rejected.")
NO_BUDGET = trouble(400, "Budget has been exceeded! Current cost: 26.07, Max budget: 25.0", "budget_exceeded")


class LiteLLM(OpenAI):
    """The emulator. `url` ends in /v1. `prices` switches the header with the cost."""

    def __init__(self, key: str = KEY) -> None:
        super().__init__(key)
        self.prices = True

    def _greet(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(trouble(401, "Authentication Error, Invalid proxy server token passed.", "auth_error"))

    def _check(self, body: dict[str, Any]) -> None:
        """Check the request as the vendor does, by the model's name there."""
        if body.get("model") not in MODELS:
            raise RefusedError(trouble(400, f"/images: Invalid model name passed in model={body.get('model')}."))
        own = {name: value for name, value in body.items() if name != "response_format"}  # which LiteLLM takes off
        try:
            super()._check({**own, "model": MODELS[body["model"]]})
        except RefusedError as refused:
            words = refused.answer.body["error"]["message"]
            raise RefusedError(trouble(refused.answer.status, f"litellm.BadRequestError: {words}")) from None

    async def models(self, request: Request) -> Response:
        """GET /models: the names of the configuration"""
        self._greet(request)
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "openai"} for name in MODELS]
        return JSONResponse({"object": "list", "data": rows})

    def _drawn(self, body: dict[str, Any], kind: str) -> Response:
        response = super()._drawn({**body, "model": MODELS[body["model"]]}, kind)
        del response.headers["x-request-id"]
        response.headers["x-litellm-call-id"] = "call_emulated_1"
        if self.prices:
            response.headers["x-litellm-response-cost"] = f"{self.billed[-1].usd}"
        return response
