"""A page on which a person hands over an image by a signed link, such as the photo that a chat cannot pass to tools.

The link names the id that the image will have. So it works once: under an id one image is stored, and none is replaced.
"""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, Response

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.http.body import body_limit, read_body, replayed
from atelier.server.http.errors import RefusedError, failed
from atelier.server.http.rest.uploads import store_image
from atelier.server.http.routing import router_of
from atelier.server.http.signed_pages.links import SAFETY, Expires, Owner, Signature, storage_finder
from atelier.server.mcp.server import AtelierServer
from atelier.server.storage.signed_links import Kind

HEADERS = {
    **SAFETY,
    "Referrer-Policy": "same-origin",  # with no-referrer a browser sends the form with “Origin: null”, which is refused
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
}

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Atelier: upload an image</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 3rem auto; padding: 0 1rem }}
code {{ background: #eee; padding: .2rem .4rem; user-select: all }}
</style>
<h1>{title}</h1>
<p>{text}</p>
{more}
</html>
"""

FORM = """\
<form method="post" enctype="multipart/form-data">
<p><label>Image <input type="file" name="file" accept="image/*" required></label></p>
<p><button>Upload</button></p>
</form>
"""


def router(server: AtelierServer) -> APIRouter:
    """Return the routes."""
    routes = router_of(server, _refused, public=True, tags=["links"])
    linked = storage_finder(server)

    @routes.get("/upload/{id}", response_class=HTMLResponse)
    async def form(id: str, expires: Expires, owner: Owner, signature: Signature) -> Response:
        """Show the form if the link is unused."""
        if await linked(Kind.UPLOAD, id, owner, expires, signature).head(id):
            raise _used(id)
        return _page("Upload an image", "Choose the image for your chat. This link takes one.", FORM)

    @routes.post("/upload/{id}", response_class=HTMLResponse)
    async def upload(id: str, expires: Expires, owner: Owner, signature: Signature, request: Request) -> Response:
        """Store the image under the id of the link."""
        storage = linked(Kind.UPLOAD, id, owner, expires, signature)
        if await storage.head(id):
            raise _used(id)
        try:
            data = await _file(request, body_limit(server.source_max_mb))
            await store_image(id, data, storage, server.source_limits)
        except ImageError as error:
            raise _used(id) if error.facts.get("trouble") == "taken" else error from None
        return _page("Thank you", "The image is stored. Paste its id into the chat:", f"<p><code>{id}</code></p>")

    return routes


async def _file(request: Request, limit: int) -> bytes:
    """Return the bytes of the form's file. AccessMiddleware leaves bodies of public paths unread."""
    body = await read_body(request, limit)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise RefusedError(415, "The body is not a form.", "Use the form of the page.")
    async with Request(request.scope, replayed(body, request.receive)).form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ImageError(Reason.INVALID_REQUEST, "No image was chosen.", hint="Go back and choose one.")
        return await file.read()


def _used(id: str) -> RefusedError:
    return RefusedError(410, "This link has been used.", f"Its image is {id}; ask for a new link for another.")


def _refused(error: ImageError) -> Response:
    """Return the page of a failure."""
    return _page("This did not work", escape(f"{error.message} {error.hint}".strip()), "", failed(error).status_code)


def _page(title: str, text: str, more: str, status: int = 200) -> Response:
    return HTMLResponse(PAGE.format(title=title, text=text, more=more), status, HEADERS)
