"""Pictures as MCP resources: `image://assets/{id}` and its `/preview`, for hosts with resource pickers.

The answer to a read is one message, and hosts truncate large ones or close the connection: above MAX_FILE_BYTES a read
returns the preview and a note instead of the file.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import Completion, ListResourcesResult, Resource, ResourceTemplate

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.images.asset_storage import Asset, Storage
from atelier.providers.images.identify import picture
from atelier.providers.images.sources import ASSET
from atelier.server.mcp.results import previews

MAX_FILE_BYTES = 700 * 1024  # in base64 below the 1 MB that clients accept of one message
MAX_COMPLETIONS = 50  # ids
PAGE_SIZE = 20  # images of a list
MAX_TITLE = 80  # characters of the prompt that name an image

TEMPLATES = (
    ResourceTemplate(
        uri_template="image://assets/{id}",
        name="asset",
        title="An image",
        description=f"The file of an image; of one over {MAX_FILE_BYTES // 1024} KiB its preview with a note.",
    ),
    ResourceTemplate(
        uri_template="image://assets/{id}/preview",
        name="preview",
        title="A small image",
        description="A JPEG of an image, at most 100 KiB.",
        mime_type="image/jpeg",
    ),
)

URI = re.compile(r"image://assets/(?P<id>img_[0-9a-z]{26})(?P<preview>/preview)?")
SCHEME = "image://"


@contextmanager
def protocol_errors() -> Generator[None]:
    """Raise an ImageError of the block as an error of the protocol."""
    try:
        yield
    except ImageError as error:
        kind = ResourceNotFoundError if error.reason is Reason.NOT_FOUND else ResourceError
        raise kind(f"{error.message} {error.hint}".strip()) from None


async def read(uri: str, storage: Storage) -> Sequence[ReadResourceContents]:
    """Return the file or the preview of an image. Raises not_found."""
    found = URI.fullmatch(uri)
    asset = await storage.get(found["id"]) if found else None
    if found is None or asset is None:
        raise ImageError(Reason.NOT_FOUND, f"There is no image {uri}.", hint="Call get_image with list=true.")
    if found["preview"]:
        return [ReadResourceContents(await _preview(asset, storage), "image/jpeg")]
    if len(asset.image_bytes) <= MAX_FILE_BYTES:
        return [ReadResourceContents(asset.image_bytes, picture(asset.image_bytes).mime)]
    where = await storage.where(asset.id)
    location = (where.url or where.path or asset.id) if where else asset.id
    size = f"{len(asset.image_bytes):,} bytes, more than {MAX_FILE_BYTES:,}"
    note = f"The file has {size}; this is its preview. The file is at {location}"
    return [
        ReadResourceContents(await _preview(asset, storage), "image/jpeg"),
        ReadResourceContents(note, "text/plain"),
    ]


async def list_page(storage: Storage, cursor: str | None) -> ListResourcesResult:
    """Return the newest images as resources, PAGE_SIZE at a time; the cursor is the id to go on from.

    Raises invalid_request for a cursor that is not one of ours.
    """
    if cursor is not None and not ASSET.fullmatch(cursor):
        raise ImageError(Reason.INVALID_REQUEST, "The cursor is not one of this server.")
    records = await storage.newest(PAGE_SIZE + 1, cursor)
    shown = records[:PAGE_SIZE]
    more = str(shown[-1]["id"]) if len(records) > PAGE_SIZE else None
    return ListResourcesResult(resources=[_resource(record) for record in shown], next_cursor=more)


def _resource(record: Mapping[str, Any]) -> Resource:
    id, prompt = str(record["id"]), record.get("prompt")
    return Resource(
        uri=f"{SCHEME}assets/{id}",
        name=str(record.get("file") or id),
        title=sanitize(prompt, MAX_TITLE) if prompt else None,
        mime_type=record.get("mime"),
        size=record.get("bytes"),
    )


async def complete_id(prefix: str, storage: Storage) -> Completion:
    """Return the ids that start with `prefix`, newest first."""
    try:
        records = await storage.newest(MAX_COMPLETIONS)
    except ImageError:
        return Completion(values=[])
    ids = [str(record["id"]) for record in records]
    return Completion(values=[id for id in ids if id.startswith(prefix)], has_more=len(ids) == MAX_COMPLETIONS)


async def _preview(asset: Asset, storage: Storage) -> bytes:
    """Return the stored preview, or make and store one."""
    before = await storage.get_preview(asset.id)
    (jpeg,) = await previews([picture(asset.image_bytes)], [before])
    if not jpeg:
        raise ImageError(Reason.STORAGE_FAILED, f"No preview of {asset.id} can be made; the file may be damaged.")
    if jpeg != before:
        await storage.put_preview(asset.id, jpeg)
    return jpeg
