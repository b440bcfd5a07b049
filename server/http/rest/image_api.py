"""The routes that make images, price them, and list the models.

POST /image/generate, /image/edit   200 with the images, or 202 with the job that makes them
POST /image/estimate                what it would cost
GET  /image/models                  what can be used
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import ConfigDict

from atelier.providers.core.concurrency import no_progress
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.tracing import add_context
from atelier.providers.styles.listing import listed_styles
from atelier.server.http.errors import ERRORS, RefusedError
from atelier.server.http.rest.answers import answered, image_answer
from atelier.server.http.rest.contract import (
    APIResponse,
    EditRequest,
    EstimateRequest,
    GenerateRequest,
    ImageData,
    Sides,
)
from atelier.server.http.rest.contract import Request as AnyRequest
from atelier.server.http.routing import router_of, while_connected
from atelier.server.idempotency_key import parse_idempotency_key
from atelier.server.mcp.server import AtelierServer
from atelier.tools import edit_image, estimate_cost, generate_image, list_models
from atelier.tools.estimate_cost import EstimateOutput
from atelier.tools.list_models import ListModelsOutput
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.parameters.tool_parameters import ListModels
from atelier.tools.tool import Call, Tool

GONE = "gone"  # a fact of the error about a job whose images were deleted

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": APIResponse[ImageData], "description": "A job makes the images; Location says where they will be."}
}


class ModelFilters(ListModels):
    """The query of /image/models. It is built at once: FastAPI allows for its own field's alias only then."""

    model_config = ConfigDict(defer_build=False)


async def idempotency_key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(description="1 to 255 visible ASCII characters. Calls with one key within a day are one call."),
    ] = None,
) -> str | None:
    """Return the key of the request."""
    return parse_idempotency_key(request.headers.getlist("idempotency-key"), "Idempotency-Key")


Key = Annotated[str | None, Depends(idempotency_key)]


def router(server: AtelierServer) -> APIRouter:
    """Return the routes."""
    routes = router_of(server, tags=["images"], responses=ERRORS)

    async def draw(tool: Tool[Any], body: GenerateRequest | EditRequest, request: Request, key: str | None) -> Response:
        caller, service = server.caller(), server.state.service
        check_customer(body, caller)
        add_context(client_request_id=body.request_id and sanitize(body.request_id))
        given = tool_arguments(body)
        given["save"] = body.save_to_db and body.settings.image.save
        call = Call(caller=caller, on_progress=no_progress, key=key, inline_limit=sys.maxsize, styles=server.styles)
        run = partial(tool.run, parameters_of(tool, given), service.for_caller(caller), call)
        try:
            answer = await while_connected(request, run)
        except ImageError as error:
            if key and GONE in error.facts:
                message = "The images of this idempotency key are no longer stored."
                raise RefusedError(409, message, "Use another key for new images.") from None
            raise
        return image_answer(answer, service, requested_settings(body), body.request_id)

    @routes.post("/image/generate", response_model=APIResponse[ImageData], responses=ACCEPTED)
    async def generate(body: GenerateRequest, request: Request, key: Key) -> Response:
        """Make images from a prompt."""
        return await draw(generate_image.TOOL, body, request, key)

    @routes.post("/image/edit", response_model=APIResponse[ImageData], responses=ACCEPTED)
    async def edit(body: EditRequest, request: Request, key: Key) -> Response:
        """Make a new image from one that exists."""
        return await draw(edit_image.TOOL, body, request, key)

    @routes.post("/image/estimate", response_model=APIResponse[EstimateOutput])
    async def estimate(body: EstimateRequest) -> Response:
        """Return what a request would cost. Nothing is sent to a vendor."""
        caller = server.caller()
        check_customer(body, caller)
        params = parameters_of(estimate_cost.TOOL, tool_arguments(body))
        call = Call(caller=caller, on_progress=no_progress, styles=server.styles)
        return answered((await estimate_cost.run(params, server.state.service.for_caller(caller), call)).data)

    @routes.get("/image/models", response_model=APIResponse[ListModelsOutput])
    async def models(filters: Annotated[ModelFilters, Query()]) -> Response:
        """Return the models that can be used, and what each takes and costs; and the styles of the library."""
        models = list_models.full_list(filters, server.state.service.pipeline.catalog)
        styles = await listed_styles(server.styles(), filters.word)
        return answered(models.model_copy(update=styles.fields))

    return routes


def check_customer(body: AnyRequest, caller: str) -> None:
    """Raise invalid_request when the request names another customer than its token."""
    if body.customer_id not in (None, caller):
        message = "“customer_id” is not the customer of the token."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave it out, or send that customer's token.")


def requested_settings(body: GenerateRequest | EditRequest | EstimateRequest) -> dict[str, Any]:
    """Return the settings that the request has, except the model, which may be an alias of what was used."""
    return body.settings.image.model_dump(exclude_unset=True, exclude_none=True, exclude={"model"})


def tool_arguments(body: GenerateRequest | EditRequest | EstimateRequest) -> dict[str, Any]:
    """Return the arguments of the tool. Raises invalid_request for half a size, or two."""
    own = body.model_dump(exclude_unset=True, exclude={"settings", "save_to_db", *AnyRequest.model_fields})
    image = cast("Sides", body.settings.image)
    settings = body.settings.image.model_dump(exclude_unset=True, exclude={*Sides.model_fields})
    if image.width is image.height is None:
        return {**settings, **own}
    if image.width is None or image.height is None or settings.get("size"):
        message = "“width” and “height” go together, and not with “size”."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give both and no size, or the size alone.")
    return {**settings, **own, "size": f"{image.width}x{image.height}"}
