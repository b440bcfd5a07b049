"""api.replicate.com as far as pictures go: predictions by model or version, polls on another port, files, cancellation.

Facts: the vendor's client 1.0.7 and docs as of 2026-08. Like the vendor it drops inputs that a model does not know;
`dropped` tells which.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
from decimal import Decimal
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.testing.emulators.polled import PolledEmulator
from atelier.providers.testing.emulators.replicate_rules import (
    KEY,
    MODELS,
    NOT_FOUND,
    RATIOS,
    SENSITIVE,
    UNAUTHENTICATED,
    VERSION,
    WIDE_RATIOS,
    Run,
    refuse,
)
from atelier.providers.testing.images import plain, shape
from atelier.providers.testing.server import Answer, Bill, RefusedError


class Replicate(PolledEmulator):
    """The API, which also has the files. `polls` is where predictions are polled, with its own log and script.

    With `never_starts` no prediction ever runs. `polls_name` is the name in the addresses of a prediction.
    """

    def __init__(self, key: str = KEY) -> None:
        routes = [
            Route("/v1/predictions", self.by_version, methods=["POST"]),
            Route("/v1/models/{owner}/{name}/predictions", self.by_model, methods=["POST"]),
            Route("/v1/models/{owner}/{name}", self.described),
            Route("/v1/models/{owner}/{name}/versions/{version}", self.described),
            Route("/v1/account", self.account),
            Route("/v1/files", self.upload, methods=["POST"]),
            Route("/v1/predictions/{id}", self.look),
            Route("/v1/predictions/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/delivery/{name}", self.file),
        ]
        poll_routes = [
            Route("/v1/predictions/{id}", self.look),
            Route("/v1/predictions/{id}/cancel", self.cancel, methods=["POST"]),
        ]
        super().__init__(routes, poll_routes)
        self.key = key
        self.reset()

    def reset(self) -> None:
        """As new, on the same ports."""
        self.polls_name = "127.0.0.1"
        self.never_starts = False
        self.dropped = list[str]()
        self.runs = dict[str, Run]()
        self.files = dict[str, bytes]()
        self.uploads = dict[str, bytes]()
        self.clear()

    def _greet(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(UNAUTHENTICATED)

    def _run(self, request: Request) -> tuple[str, Run]:
        """The id of the prediction that an address names, and the prediction."""
        self._greet(request)
        id = request.path_params["id"]
        if id not in self.runs:
            raise RefusedError(NOT_FOUND)
        return id, self.runs[id]

    async def account(self, request: Request) -> Response:
        """GET /v1/account"""
        self._greet(request)
        return JSONResponse({"username": "anna"})

    async def by_model(self, request: Request) -> Response:
        """POST /v1/models/{owner}/{name}/predictions: official models only, and no key but these"""
        body = await _json(request)
        self._greet(request)
        if set(body) - {"input", "webhook", "webhook_events_filter", "stream"}:
            raise refuse("- Additional property is not allowed")
        model = f"{request.path_params['owner']}/{request.path_params['name']}"
        return self._begin(model if model != "owner/painter" else "", body)

    async def by_version(self, request: Request) -> Response:
        """POST /v1/predictions with a version, which may be owner/name[:version]"""
        body = await _json(request)
        self._greet(request)
        return self._begin(str(body.get("version", "")).partition(":")[0], body)

    def _begin(self, model: str, body: dict[str, Any]) -> Response:
        if model not in MODELS:
            return NOT_FOUND.response()
        fields, _ = MODELS[model]
        given: dict[str, Any] = body.get("input", {})
        self.dropped += sorted(set(given) - fields)
        given = {name: value for name, value in given.items() if name in fields}
        if words := self._invalid(model, given):
            raise refuse(words)
        id = secrets.token_hex(13)
        self.runs[id] = Run(model, given)
        return Answer(201, self._shown(id)).response()

    def _invalid(self, model: str, given: dict[str, Any]) -> str:
        ratios = WIDE_RATIOS if model.startswith("ideogram") else RATIOS | {"custom"}
        if not given.get("prompt"):
            return "- input: prompt is required"
        if not 1 <= given.get("num_outputs", 1) <= 4 or not 0 <= given.get("output_quality", 80) <= 100:
            return "- input.num_outputs: Must be less than or equal to 4"
        formats = ("webp", "jpg", "png")
        if given.get("aspect_ratio", "1:1") not in ratios or given.get("output_format", "webp") not in formats:
            return "- input.aspect_ratio: must be one of the following"
        if (given.get("aspect_ratio") == "custom") != ("width" in given):
            return "- input.width: width and height are for a custom aspect ratio"
        links = [given[name] for name in ("image", "image_prompt", "mask") if name in given]
        for link in [*links, *given.get("input_images", [])]:
            inline = link.startswith("data:")
            data = (
                base64.b64decode(link.partition(",")[2]) if inline else self.uploads.get(link.rpartition("/")[2], b"")
            )
            try:
                Image.open(io.BytesIO(data)).load()
            except OSError:
                return "- input.image: Does not match format 'uri'"
        return ""

    def _shown(self, id: str) -> dict[str, Any]:
        run = self.runs[id]
        address = f"http://{self.polls_name}:{self.polls.port}/v1/predictions/{id}"
        return {
            "id": id,
            "model": run.model,
            "version": VERSION,
            "input": run.input,
            "logs": "",
            "output": run.output,
            "error": run.error,
            "data_removed": False,
            "status": run.status,
            "created_at": "2026-11-29T12:00:00.000Z",
            "metrics": {"predict_time": 0.7} if run.status == "succeeded" else {},
            "urls": {"get": address, "cancel": f"{address}/cancel"},
        }

    async def look(self, request: Request) -> Response:
        """GET a prediction"""
        id, run = self._run(request)
        if run.status in ("starting", "processing") and not self.never_starts:
            run.looks += 1
            if run.looks == 2:
                run.status = "processing"
            elif run.looks > 2:
                self._finish(run)
        return Answer(200, self._shown(id)).response()

    def _finish(self, run: Run) -> None:
        if run.input["prompt"] == SENSITIVE:
            run.status, run.error = "failed", "The input or output was flagged as sensitive. Please try again. (E005)"
            return
        count, format = run.input.get("num_outputs", 1), run.input.get("output_format", "webp")
        size = shape(str(run.input.get("aspect_ratio", "1:1")))
        links = [self._made(format, size) for _ in range(count)]
        run.status, run.output = "succeeded", links if "num_outputs" in MODELS[run.model][0] else links[0]
        self.billed.append(Bill(Decimal(MODELS[run.model][1]) * count, count))

    def _made(self, format: str, size: tuple[int, int]) -> str:
        name = f"{secrets.token_hex(6)}.{format}"
        self.files[name] = plain(size, "jpeg" if format == "jpg" else format)
        return f"{self.url}/delivery/{name}"

    async def cancel(self, request: Request) -> Response:
        """POST the cancellation"""
        id, run = self._run(request)
        if run.status in ("starting", "processing"):
            run.status = "canceled"
        return Answer(200, self._shown(id)).response()

    async def described(self, request: Request) -> Response:
        """GET a model, or one of its versions, with its schema"""
        self._greet(request)
        model = f"{request.path_params['owner']}/{request.path_params['name']}"
        if model not in MODELS:
            return NOT_FOUND.response()
        types = {"input_images": {"type": "array", "items": {"type": "string", "format": "uri"}}}
        inputs = {name: types.get(name, {"type": "string"}) for name in MODELS[model][0]}
        version = {
            "id": VERSION,
            "created_at": "2026-11-29T12:00:00.000Z",
            "cog_version": "0.16.8",
            "openapi_schema": {"components": {"schemas": {"Input": {"properties": inputs}}}},
        }
        owner, name = model.split("/")
        about = {"url": f"https://replicate.com/{model}", "visibility": "public", "run_count": 7, "description": None}
        nothing = dict.fromkeys(("github_url", "paper_url", "license_url", "cover_image_url", "default_example"))
        whole = {"owner": owner, "name": name, "latest_version": version, **about, **nothing}
        return Answer(200, version if "version" in request.path_params else whole).response()

    async def upload(self, request: Request) -> Response:
        """POST /v1/files"""
        self._greet(request)
        async with request.form() as form:
            content: Any = form["content"]
            id, data = secrets.token_hex(8), await content.read()
        self.uploads[id] = data
        about = {"name": content.filename, "content_type": content.content_type, "etag": id, "size": len(data)}
        times = {"created_at": "2026-11-29T12:00:00.000Z", "expires_at": "2026-11-30T12:00:00.000Z"}
        urls = {"get": f"{self.url}/v1/files/{id}"}
        return JSONResponse({"id": id, **about, **times, "urls": urls, "checksums": {}, "metadata": {}}, 201)

    async def file(self, request: Request) -> Response:
        """GET a picture of replicate.delivery"""
        assert "authorization" not in request.headers
        data = self.files.get(request.path_params["name"])
        return Response(data, media_type="image/webp") if data else Response(status_code=404)


async def _json(request: Request) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(await request.body())
    except ValueError:
        return {}
    return body
