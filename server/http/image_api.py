"""Pictures over plain HTTP, for programs. The body is a tool's parameters, the answer its structured part, in full.

POST /image/generate, /image/edit   200 with the pictures, or 202 with the job that makes them
GET  /image/{id}                    the result or state of a job, or the facts of a picture
GET  /image/{id}/file               the picture itself
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from pydantic_core import from_json
from starlette.responses import JSONResponse, Response

from atelier.providers.core.concurrency import no_progress
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.identify import picture
from atelier.providers.images.sources import ASSET
from atelier.providers.jobs.service import ImageService
from atelier.server.calls import delivering
from atelier.server.http.errors import SENTENCES, RefusedError
from atelier.server.http.routing import router_of, while_connected
from atelier.server.idempotency import key_of
from atelier.server.mcp.jsonrpc import repaired
from atelier.server.mcp.server import AtelierServer
from atelier.tools import edit_image, generate_image, get_image
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.tool import Answer, Call, Tool

RETRY_AFTER = "2"  # seconds after which to ask for a job again


def router(server: AtelierServer) -> APIRouter:
    """Return the routes."""
    routes = router_of(server)

    async def draw(tool: Tool[Any], request: Request) -> Response:
        key = key_of(request.headers.getlist("idempotency-key"), "Idempotency-Key")
        arguments = parameters_of(tool, await _arguments(request))
        if not arguments.save:
            message, hint = "“save” cannot be false here: every picture is stored.", "Leave it out, and fetch the file."
            raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint=hint)
        service, caller = server.state.service, server.caller()
        call = Call(caller=caller, on_progress=no_progress, key=key)
        return _response_of(
            await while_connected(request, partial(tool.run, arguments, service.for_caller(caller), call)), service
        )

    @routes.post("/image/generate")
    async def generate(request: Request) -> Response:
        """Make images. A client that disconnects before the request is sent cancels it."""
        return await draw(generate_image.TOOL, request)

    @routes.post("/image/edit")
    async def edit(request: Request) -> Response:
        """Make a new image from one that exists."""
        return await draw(edit_image.TOOL, request)

    @routes.get("/image/{id}")
    async def show(id: str, request: Request) -> Response:
        """Return a job or the facts of an image. It does not wait for a job."""
        if id in ("generate", "edit"):
            raise RefusedError(405, *SENTENCES[405], headers={"Allow": "POST"})
        service, caller = server.state.service, server.caller()
        arguments = parameters_of(get_image.TOOL, {"id": id})
        call = Call(caller=caller, on_progress=no_progress)
        run = partial(get_image.run, arguments, service.with_wait(0).for_caller(caller), call)
        return _response_of(await while_connected(request, run), service)

    @routes.get("/image/{id}/file")
    async def file(id: str) -> Response:
        """Return the bytes of an image."""
        asset = await server.state.storage(server.caller()).get(id) if ASSET.fullmatch(id) else None
        if asset is None:
            raise ImageError(Reason.NOT_FOUND, "There is no such picture.", hint="Give an asset id of your own.")
        headers = {"Cache-Control": "private", "X-Content-Type-Options": "nosniff"}
        return Response(asset.image_bytes, media_type=picture(asset.image_bytes).mime, headers=headers)

    return routes


def _response_of(answer: Answer, service: ImageService) -> Response:
    """Return the structured part of an answer, which is delivered once the response was sent."""
    data = answer.data.model_dump(mode="json", exclude_none=True)
    if data.get("status") == "running":
        headers = {"Location": f"/image/{data['job']}", "Retry-After": RETRY_AFTER}
        return JSONResponse(data, 202, headers)
    with delivering(service, answer.job):
        for asset, image in zip(answer.pictures, data.get("images", ()), strict=False):
            if asset.stored is None:  # it could not be stored, and it is paid for
                image["b64"] = b64encode(asset.image_bytes).decode()
        return JSONResponse(data)


async def _arguments(request: Request) -> dict[str, Any]:
    """Parse the body, a JSON object. Raises RefusedError, which never quotes it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedError(415, "The body is not declared as JSON.", "Send Content-Type: application/json.")
    try:
        parsed = from_json(repaired((await request.body()).decode(errors="replace")), allow_inf_nan=False)
    except ValueError:
        raise RefusedError(400, "The body is not JSON.", "Send one JSON object.") from None
    if not isinstance(parsed, dict):
        raise RefusedError(400, "The body is not a JSON object.", "Send the parameters by their names.")
    return parsed  # pyright: ignore[reportUnknownVariableType]
