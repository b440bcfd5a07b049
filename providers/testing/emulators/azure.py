"""An Azure OpenAI resource: deployments under names of their own, by the v1 path and by deployment URLs.

Facts: the client `AzureOpenAI` of openai 3.57, 2026-11. Doubtful: the code of an unknown deployment, and whether a body
without `model` is taken at a deployment URL; the client sends it, so this resource wants it.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atelier.providers.testing.emulators.openai import OpenAI
from atelier.providers.testing.server import Answer, RefusedError, dashed

KEY = "azure0emulated0123456789abcdef0123"
TOKEN = "eyJ0eXAi.emulated-entra-token.c2ln"  # noqa: S105 - of the emulator
DEPLOYMENTS = {"painter": "gpt-image-2.5-flare", "fast": "gpt-image-2"}
VERSIONS = ("2025-04-01-preview", "preview", "v1")


def trouble(status: int, code: str, message: str, **headers: str) -> Answer:
    """The error body of Azure; usable as a scripted fault as well."""
    body = {"error": {"code": code, "message": message}}
    return Answer(status, body, {"apim-request-id": "azure_trouble", **dashed(headers)})


MODERATED = trouble(400, "contentFilter", "Your task failed as a result of our safety system.")
FILTERED = Answer(
    400,
    {
        "error": {
            "code": "content_policy_violation",
            "message": "This request has been blocked by our content filters.",
            "inner_error": {"code": "ResponsibleAIPolicyViolation"},
        }
    },
)


NO_DEPLOYMENT = trouble(404, "DeploymentNotFound", "The API deployment for this resource does not exist.")


class Azure(OpenAI):
    """The emulator. `url` is the resource's address, without a path. `token` is an Entra token that it takes."""

    def __init__(self, key: str = KEY, token: str = TOKEN) -> None:
        super().__init__(key)
        self.token = token

    def routes(self) -> list[Route]:
        """Both paths, with the same answers."""
        found = [Route("/links/{number:int}", self.link)]
        for place in ("/openai/v1", "/openai/deployments/{deployment}"):
            found.append(Route(f"{place}/images/generations", self.generations, methods=["POST"]))
            found.append(Route(f"{place}/images/edits", self.edits, methods=["POST"]))
        return found

    @property
    def url(self) -> str:
        """The address of the resource."""
        return f"http://127.0.0.1:{self.port}"

    def _greet(self, request: Request) -> None:
        bearer = request.headers.get("authorization")
        if request.headers.get("api-key") != self.key and bearer != f"Bearer {self.token}":
            words = "Access denied due to invalid subscription key or wrong API endpoint."
            raise RefusedError(trouble(401, "401", words))
        deployment, version = request.path_params.get("deployment"), request.query_params.get("api-version")
        if (deployment or version) and version not in VERSIONS:
            raise RefusedError(trouble(404, "404", "Resource not found"))
        if deployment and deployment not in DEPLOYMENTS:
            raise RefusedError(NO_DEPLOYMENT)

    def _check(self, body: dict[str, Any]) -> None:
        if body.get("model") not in DEPLOYMENTS:
            raise RefusedError(NO_DEPLOYMENT)
        super()._check({**body, "model": DEPLOYMENTS[body["model"]]})

    def _drawn(self, body: dict[str, Any], kind: str) -> Response:
        response = super()._drawn({**body, "model": DEPLOYMENTS[body["model"]]}, kind)
        response.headers["apim-request-id"] = "azure_emulated_1"
        return response
