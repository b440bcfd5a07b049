"""The routes of OpenAI's images API, over the models of every vendor.

POST /v1/images/generations   JSON
POST /v1/images/edits         a form, or JSON with images by address, id or data URI
GET  /v1/models[/{id}]        the models that can be used

A call waits until its images are made, however long. One that is repeated, by hand or by the client itself, joins it.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, Request
from starlette.responses import JSONResponse, Response

from atelier.providers.catalog.catalog import Choice
from atelier.providers.core.concurrency import no_progress
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Progress
from atelier.server.calls import delivering
from atelier.server.http.errors import RefusedError
from atelier.server.http.openai.answers import ImagesAnswer, ModelItem, ModelList, images_answer
from atelier.server.http.openai.errors import ERRORS, failed
from atelier.server.http.openai.parameters import (
    EDIT_BODY,
    EVENTS,
    GENERATION_BODY,
    ImageCall,
    call_of,
    form_of,
    sources_of,
)
from atelier.server.http.openai.streams import EventStream
from atelier.server.http.routing import router_of, while_connected
from atelier.server.idempotency_key import parse_idempotency_key
from atelier.server.mcp.server import AtelierServer
from atelier.tools import edit_image, generate_image
from atelier.tools.tool import Answer, Call

FORM = "multipart/form-data"


def router(server: AtelierServer) -> APIRouter:
    """Return the routes."""
    routes = router_of(server, failed, prefix="/v1", tags=["OpenAI"], responses=ERRORS)

    async def answer_to(request: Request, kind: str, call: ImageCall) -> Response:
        key = parse_idempotency_key(request.headers.getlist("idempotency-key"), "Idempotency-Key")
        service, caller, styles = server.state.service, server.caller(), server.styles()
        waiting = service.with_wait(math.inf).for_caller(caller)

        async def run(on_progress: Progress) -> Answer:
            made = Call(caller=caller, on_progress=on_progress, key=key, styles=lambda: styles)
            return await call.tool.run(call.parameters, waiting, made)

        if call.stream:
            return EventStream(kind, call, run, caller, server.calls, service)
        answer = await while_connected(request, partial(run, no_progress))
        with delivering(service, answer.jobs):
            return _json(images_answer(answer, as_url=call.as_url))

    @routes.post("/images/generations", response_model=ImagesAnswer, responses=EVENTS, openapi_extra=GENERATION_BODY)
    async def generations(request: Request, body: Annotated[dict[str, Any], Body()]) -> Response:
        """Make images from a prompt, as OpenAI's API does."""
        return await answer_to(request, "image_generation", call_of(generate_image.TOOL, body))

    @routes.post("/images/edits", response_model=ImagesAnswer, responses=EVENTS, openapi_extra=EDIT_BODY)
    async def edits(request: Request) -> Response:
        """Make a new image from others, as OpenAI's API does."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == FORM:
            async with request.form() as form:
                body = await form_of(form)
        elif kind == "application/json":
            body = await request.json()
        else:
            raise RefusedError(415, "The body is neither a form nor JSON.", f"Send Content-Type: {FORM}.")
        if not isinstance(body, dict):
            raise RefusedError(400, "The body is not a JSON object.", "Send the parameters by their names.")
        named = sources_of(cast("dict[str, Any]", body))
        return await answer_to(request, "image_edit", call_of(edit_image.TOOL, named, form=kind == FORM))

    @routes.get("/models")
    async def models() -> ModelList:
        """Return the models that can be used, each vendor's default first."""
        catalog = server.state.service.pipeline.catalog
        usable = [provider for provider in catalog.providers if catalog.usable(provider)]
        return ModelList(
            data=[
                ModelItem(id=f"{provider.name}/{row.id}", owned_by=provider.name)
                for provider in usable
                for row in catalog.listed(provider)
            ]
        )

    @routes.get("/models/{id:path}")
    async def model(id: str) -> ModelItem:
        """Return one model, by any of its names."""
        catalog = server.state.service.pipeline.catalog
        choice = catalog.resolve(id)
        if not catalog.usable(choice.provider):
            raise _without_key(choice)
        return ModelItem(id=f"{choice.provider.name}/{choice.model.id}", owned_by=choice.provider.name)

    return routes


def _json(answer: ImagesAnswer) -> Response:
    return JSONResponse(answer.model_dump(exclude_none=True))


def _without_key(choice: Choice) -> ImageError:
    message = f"{choice.provider.title} is not set up on this server."
    return ImageError(Reason.UNKNOWN_MODEL, message, hint="GET /v1/models lists the models that are.")
