"""aiplatform.googleapis.com: the Gemini API's models below a project and a location, and the token server of Google.

Facts: the vendor's SDK, google-genai 3.6, as of 2026-11-29; tokens as RFC 7523 has them. A service account's assertion
is verified; the token that it gets is the one that its file was made for.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.emulators.gemini import Gemini
from atelier.providers.testing.emulators.gemini_rules import refuse, trouble
from atelier.providers.testing.server import RefusedError

KEY = "ya29.emulated-0123456789abcdef"
PROJECT = "atelier-emulated"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"  # which google-auth claims whatever the file's token_uri
PEOPLE = ("ALLOW_ALL", "ALLOW_ADULT", "ALLOW_NONE")
NO_PERMISSION = trouble(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource.")


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """The private key of every service account; making one takes a while."""
    return rsa.generate_private_key(65537, 2048)


class Vertex(Gemini):
    """The emulator. `url` has no version. `lifetime` is how long a token is valid, in seconds."""

    free = ("/token",)

    def __init__(self, key: str = KEY) -> None:
        super().__init__(key)
        self.lifetime = 3600
        self.accounts = dict[str, str]()
        self.folder = Path()

    def routes(self) -> list[Route]:
        """Those of the Gemini API, the path of Google Cloud, and the token server."""
        models = "/{version}/projects/{project}/locations/{location}/publishers/google/models/{call}"
        token = Route("/token", self.token, methods=["POST"])
        return [*super().routes(), Route(models, self.call, methods=["POST"]), token]

    def environ_for(self, vendor: str) -> dict[str, str]:
        """Return the project, the file of a service account and the base URL."""
        keys = {"GOOGLE_CLOUD_PROJECT": PROJECT, "GOOGLE_APPLICATION_CREDENTIALS": self.credentials_file()}
        return {**super().environ_for(vendor), **keys}

    @contextlib.contextmanager
    def serving(self) -> Generator[None]:
        """Serve, with a folder for the files of service accounts."""
        with tempfile.TemporaryDirectory() as folder, super().serving():
            self.folder = Path(folder)
            yield

    def credentials_file(self, token: str = "", **changes: str) -> str:
        """The file of a new service account, whose assertions are exchanged for that token."""
        email = f"painter-{len(self.accounts)}@{PROJECT}.iam.gserviceaccount.com"
        self.accounts[email] = token or self.key
        pem = signing_key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        content = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "emulated",
            "private_key": pem.decode(),
            "client_email": email,
            "token_uri": f"{self.url}/token",
            **changes,
        }
        path = self.folder / f"{email}.json"
        path.write_text(json.dumps(content))
        return str(path)

    async def token(self, request: Request) -> Response:
        """POST /token"""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if form.get("grant_type") != ASSERTION:
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        try:
            claims: dict[str, Any] = jwt.decode(
                form["assertion"],
                signing_key().public_key(),
                algorithms=["RS256"],
                audience=[f"{self.url}/token", AUDIENCE],
                options={"require": ["iss", "iat", "exp", "aud"]},
            )
        except (jwt.InvalidTokenError, KeyError) as error:
            return JSONResponse({"error": "invalid_grant", "error_description": f"Invalid JWT: {error}"}, 400)
        if claims["iss"] not in self.accounts or claims.get("scope") != SCOPE or claims["exp"] - claims["iat"] > 3600:
            return JSONResponse(
                {"error": "invalid_grant", "error_description": "Invalid grant: account not found"}, 400
            )
        token = {"access_token": self.accounts[claims["iss"]], "expires_in": self.lifetime, "token_type": "Bearer"}
        return JSONResponse(token)

    def _greet(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            raise RefusedError(trouble(401, "UNAUTHENTICATED", message))
        if request.query_params or "x-goog-api-key" in request.headers:
            refuse("API keys are not expected beside OAuth 2 access tokens.")
        if request.path_params.get("project") != PROJECT or request.path_params["version"] not in ("v1", "v1beta1"):
            raise RefusedError(NO_PERMISSION)

    def _content(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        image = body.get("generationConfig", {}).get("imageConfig", {})
        output = image.pop("imageOutputOptions", {})
        mime = output.pop("mimeType", "image/png")
        quality = output.pop("compressionQuality", None)
        if output or mime not in ("image/png", "image/jpeg") or (quality is not None and mime != "image/jpeg"):
            refuse("Invalid imageOutputOptions.")
        if image.pop("personGeneration", "ALLOW_ALL") not in PEOPLE:
            refuse("Invalid personGeneration.")
        self.format = mime.removeprefix("image/").upper()
        return super()._content(model, body)
