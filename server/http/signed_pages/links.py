"""Pages for people: an image behind a signed link, which needs no token. What fails is one sentence of plain text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from atelier.providers.core.errors import ImageError
from atelier.providers.images.identify import picture
from atelier.providers.images.sources import ASSET
from atelier.server.http.errors import RefusedError, failed
from atelier.server.http.rest.asset_api import image_response
from atelier.server.http.routing import router_of
from atelier.server.mcp.server import AtelierServer
from atelier.server.storage.asset_files import file_name
from atelier.server.storage.caller_storages import is_name
from atelier.server.storage.remote_storage import RemoteStorage
from atelier.server.storage.signed_links import Kind, LinkState

SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address is what opens the image
    "Content-Security-Policy": "default-src 'none'",
}

Expires = Annotated[int, Query(alias="e", ge=0, le=2**53)]
Owner = Annotated[str, Query(alias="c", max_length=100)]
Signature = Annotated[str, Query(alias="s", max_length=100)]

Check = Callable[[Kind, str, str, int, str], RemoteStorage]


def router(server: AtelierServer) -> APIRouter:
    """Return the routes."""
    routes = router_of(server, plain_page, public=True, tags=["links"])
    linked = storage_finder(server)

    @routes.get("/i/{id}", response_class=Response)
    async def image(id: str, expires: Expires, owner: Owner, signature: Signature, request: Request) -> Response:
        """Return an image to anyone with its link."""
        asset = await linked(Kind.IMAGE, id, owner, expires, signature).get(id)
        if asset is None:
            raise RefusedError(404, "This image has been deleted.", "")
        headers = {
            **SAFETY,
            "Cache-Control": f"private, max-age={max(0, expires - int(time.time()))}",
            "Content-Disposition": f'inline; filename="{file_name(id, picture(asset.image_bytes))}"',
        }
        return image_response(request, asset, headers)

    return routes


def storage_finder(server: AtelierServer) -> Check:
    """Return the function that checks a link and returns the storage that it opens. It raises 404 or 410."""
    storages = server.storages

    def linked(kind: Kind, id: str, owner: str, expires: int, signature: str) -> RemoteStorage:
        state = LinkState.WRONG
        if ASSET.fullmatch(id) and is_name(owner):
            state = storages.links.state(kind, id, owner, expires, signature)
        if state is LinkState.EXPIRED:
            raise RefusedError(410, "This link has expired; ask for a new one where you got it.", "")
        if state is LinkState.WRONG:
            raise RefusedError(404, "There is nothing behind this link; check that it is complete.", "")
        return storages.of_owner(owner)

    return linked


def plain_page(error: ImageError) -> Response:
    """Return what a person reads who opened a link that does not work."""
    answer = failed(error)
    status = error.status if isinstance(error, RefusedError) else answer.status_code
    if status == 400:  # the query is not that of a link
        status, message = 404, "There is nothing behind this link; check that it is complete."
    else:
        message = error.message
    headers = {name: value for name, value in answer.headers.items() if name == "retry-after"}
    return PlainTextResponse(message, status, {**SAFETY, "Cache-Control": "no-store", **headers})
