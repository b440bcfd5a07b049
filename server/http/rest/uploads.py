"""Store an image that its caller uploads, as a form or as the bare body."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import UploadFile

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ResultImage
from atelier.providers.core.tracing import new_id
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.sources import SIZE_HINT, SourceLimits, normalise_source
from atelier.server.http.errors import RefusedError
from atelier.server.http.rest.answers import image_answer
from atelier.server.mcp.server import AtelierServer
from atelier.tools.get_image import GetImageOutput
from atelier.tools.image_list import UPLOAD
from atelier.tools.tool import Answer

BINARY = {"type": "string", "format": "binary"}
FORM = {"type": "object", "properties": {"file": BINARY}, "required": ["file"]}

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": FORM},
            **{kind: {"schema": BINARY} for kind in ("image/*", "application/octet-stream")},
        },
    }
}
"""What the schema says of the body, which FastAPI does not read."""


async def store_upload(request: Request, server: AtelierServer) -> Response:
    """Store the image of the body, and answer with its id. Raises invalid_request for what is not an image."""
    storage = server.state.storage(server.caller())
    answer = await store_image(new_id("img"), await _uploaded(request), storage, server.source_limits)
    return image_answer(answer, server.state.service, {})


async def store_image(id: str, data: bytes, storage: Storage, limits: SourceLimits) -> Answer:
    """Store an image under an id. Raises invalid_request, and storage_failed where the id is taken by another image."""
    if len(data) > limits.max_bytes:
        message = f"The image is larger than {limits.max_bytes / 2**20:g} MiB."
        raise RefusedError(413, message, SIZE_HINT)
    image = await run_on_processor(normalise_source, data, limits)
    created_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    facts = {"width": image.width, "height": image.height, "mime": image.mime, "bytes": len(image.image_bytes)}
    record = {"id": id, "created_at": created_at, "operation": UPLOAD, **facts}
    stored = await storage.put(id, image, record)
    handle = await storage.where(id) or stored
    warnings = [warning for warning in (image.warning, stored.warning) if warning]
    shown = GetImageOutput(summary="", operation=UPLOAD, created_at=created_at, warnings=warnings)
    return Answer(text="", data=shown, pictures=(ResultImage(image, handle),))


async def _uploaded(request: Request) -> bytes:
    """Return the bytes of the one file. Raises RefusedError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=1) as form:
            files = [part for part in form.values() if isinstance(part, UploadFile)]
            if len(files) != 1:
                raise ImageError(Reason.INVALID_REQUEST, "The form has no file.", hint="Send one, in the field “file”.")
            return await files[0].read()
    if kind.startswith("image/") or kind in ("application/octet-stream", ""):
        return await request.body()
    raise RefusedError(415, "The body is not declared as an image.", "Send a form with a file, or the bare image.")
