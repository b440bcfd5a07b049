"""The routes of what is stored, and of what was spent. Each caller reaches only what is their own.

GET    /image/{id}        the result or state of a job, or an image and how it came to be
GET    /image/{id}/file   the image itself
DELETE /image/{id}        deletes the image and its record
POST   /image/upload      stores an image, whose id edits take
POST   /image/upload-link a link to a page on which a person can do that
GET    /usage             spending and budget
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from atelier.providers.core.concurrency import no_progress
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.asset_storage import Asset
from atelier.providers.images.identify import picture
from atelier.providers.images.sources import ASSET
from atelier.server.http.errors import ERRORS, SENTENCES, RefusedError
from atelier.server.http.rest.answers import answered, image_answer
from atelier.server.http.rest.contract import APIResponse, DeletedData, ImageData, Period, UploadLinkData, UsageData
from atelier.server.http.rest.image_api import ACCEPTED
from atelier.server.http.rest.uploads import BINARY, UPLOAD_BODY, store_upload
from atelier.server.http.routing import router_of, while_connected
from atelier.server.mcp.server import AtelierServer
from atelier.tools import get_image
from atelier.tools.parameters.arguments import parameters_of
from atelier.tools.tool import Call

OTHERS = {**dict.fromkeys(("generate", "edit", "estimate", "upload", "upload-link"), "POST"), "models": "GET, HEAD"}
"""Addresses beside /image/{id} -> the methods that they take."""

FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {"schema": BINARY}}, "description": "The image."},
    206: {"content": {"image/*": {"schema": BINARY}}, "description": "The range of it that the header Range names."},
    416: {"content": {"image/*": {"schema": BINARY}}, "description": "The range is outside of the image."},
}

Id = Annotated[str, Path(max_length=100, description="An asset id (img_...), a job id (job_...), or last.")]
AssetId = Annotated[str, Path(max_length=100, description="An asset id (img_...).")]


def router(server: AtelierServer) -> APIRouter:
    """Return the routes."""
    routes = router_of(server, tags=["images"], responses=ERRORS)

    @routes.post("/image/upload", response_model=APIResponse[ImageData], openapi_extra=UPLOAD_BODY)
    async def upload(request: Request) -> Response:
        """Store an image of the caller. It costs nothing, and its id can be the `image` of an edit."""
        return await store_upload(request, server)

    @routes.post("/image/upload-link", response_model=APIResponse[UploadLinkData])
    async def upload_link() -> Response:
        """Return a link to a page on which a person can upload one image for the caller, without a token."""
        link = server.storages.of_caller(server.caller()).upload_link()
        expires_at = datetime.fromtimestamp(link.expires, UTC).isoformat().replace("+00:00", "Z")
        return answered(UploadLinkData(upload_url=link.url, id=link.id, expires_at=expires_at))

    @routes.get("/image/{id}", response_model=APIResponse[ImageData], responses=ACCEPTED)
    async def show(id: Id, request: Request) -> Response:
        """Return a job or an image. It does not wait for a job."""
        _refuse_other(id)
        service, caller = server.state.service, server.caller()
        call = Call(caller=caller, on_progress=no_progress, inline_limit=0)
        params = parameters_of(get_image.TOOL, {"id": id})
        run = partial(get_image.run, params, service.with_wait(0).for_caller(caller), call)
        return image_answer(await while_connected(request, run), service, {})

    @routes.get("/image/{id}/file", response_class=Response, responses=FILE)
    async def file(id: AssetId, request: Request) -> Response:
        """Return the bytes of an image."""
        asset = await server.state.storage(server.caller()).get(id) if ASSET.fullmatch(id) else None
        if asset is None:
            raise _no_image()
        return image_response(request, asset, {"Cache-Control": "private"})

    @routes.delete("/image/{id}", response_model=APIResponse[DeletedData])
    async def delete(id: AssetId) -> Response:
        """Delete an image with its record."""
        _refuse_other(id)
        if not ASSET.fullmatch(id) or not await server.state.storage(server.caller()).delete(id):
            raise _no_image()
        return answered(DeletedData(id=id))

    @routes.get("/usage", response_model=APIResponse[UsageData])
    async def usage() -> Response:
        """Return what the caller has spent today and this month, and the budgets."""
        caller, pipeline = server.caller(), server.state.service.pipeline
        caps, spent = pipeline.budget.caps, await pipeline.store.spending(caller)
        return answered(
            UsageData(
                customer_id=caller,
                today=_period(spent.day, caps.per_day),
                month=_period(spent.month, caps.per_month),
                cap_per_call_usd=_float(caps.per_call),
            )
        )

    return routes


def _refuse_other(id: str) -> None:
    """Raise RefusedError for an address beside /image/{id}, which does not take the method."""
    if id in OTHERS:
        raise RefusedError(405, *SENTENCES[405], headers={"Allow": OTHERS[id]})


def _no_image() -> ImageError:
    return ImageError(Reason.NOT_FOUND, "There is no such image.", hint="Give an asset id of your own.")


def _period(spent: Decimal, cap: Decimal | None) -> Period:
    left = None if cap is None else max(cap - spent, Decimal(0))
    return Period(spent_usd=float(spent), cap_usd=_float(cap), left_usd=_float(left))


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
"""The one range that is answered; several are answered with the whole image, as RFC 9110 allows."""


def image_response(request: Request, asset: Asset, headers: Mapping[str, str]) -> Response:
    """Return the image. Under an id the bytes never change, so the id is their entity tag."""
    data, tag = asset.image_bytes, f'"{asset.id}"'
    common = {"X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes", "ETag": tag, **headers}
    media_type = picture(data).mime
    found = RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or found[0] == "bytes=-" or request.headers.get("if-range", tag) != tag:
        return Response(data, 200, common, media_type)
    start, end = _bounds(found[1], found[2], len(data))
    if start >= end:
        return Response(b"", 416, {**common, "Content-Range": f"bytes */{len(data)}"}, media_type)
    common["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
    return Response(data[start:end], 206, common, media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return where a range begins and ends. Without `first` it has the last bytes, as many as `last` says."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
