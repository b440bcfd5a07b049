"""Pictures as MCP resources: `image://assets/{id}` and its `/preview`, for hosts with resource pickers.

A read is one message, and hosts cut off or close the connection on large ones: over a limit the preview is read in
place of the file, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import Completion, ResourceTemplate

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.identify import picture
from atelier.providers.images.sources import Asset
from atelier.server.mcp.previews import previews

LARGEST = 700 * 1024  # bytes; in base64 below the 1 MB that clients take of one message
COMPLETED = 50  # ids that a completion offers

TEMPLATES = (
    ResourceTemplate(
        uri_template="image://assets/{id}",
        name="asset",
        title="A picture",
        description=f"The file of a picture that was made; of one over {LARGEST // 1024} KiB its preview with a note.",
    ),
    ResourceTemplate(
        uri_template="image://assets/{id}/preview",
        name="preview",
        title="A small picture",
        description="A JPEG of at most 100 KiB of a picture that was made.",
        mime_type="image/jpeg",
    ),
)

URI = re.compile(r"image://assets/(?P<id>img_[0-9a-z]{26})(?P<preview>/preview)?")
OURS = "image://"


@contextmanager
def refusing() -> Generator[None]:
    """Within the block an ImageError becomes an answer of the protocol."""
    try:
        yield
    except ImageError as error:
        kind = ResourceNotFoundError if error.reason is Reason.NOT_FOUND else ResourceError
        raise kind(f"{error.message} {error.hint}".strip()) from None


async def read(uri: str, storage: Storage) -> Sequence[ReadResourceContents]:
    """What is behind an address of ours. Raises not_found when there is no such picture."""
    found = URI.fullmatch(uri)
    asset = await storage.get(found["id"]) if found else None
    if found is None or asset is None:
        raise ImageError(Reason.NOT_FOUND, f"There is no picture {uri}.", hint="Call get_image with list=true.")
    if found["preview"]:
        return [ReadResourceContents(await _preview(asset, storage), "image/jpeg")]
    if len(asset.image_bytes) <= LARGEST:
        return [ReadResourceContents(asset.image_bytes, picture(asset.image_bytes).mime)]
    where = await storage.where(asset.id)
    place = (where.url or where.path or asset.id) if where else asset.id
    note = f"The file has {len(asset.image_bytes):,} bytes, more than {LARGEST:,}; this is its preview. It is {place}"
    return [
        ReadResourceContents(await _preview(asset, storage), "image/jpeg"),
        ReadResourceContents(note, "text/plain"),
    ]


async def completed(begun: str, storage: Storage) -> Completion:
    """The ids that begin so, the newest first."""
    try:
        records = await storage.newest(COMPLETED)
    except ImageError:
        return Completion(values=[])
    ids = [str(record["id"]) for record in records]
    return Completion(values=[id for id in ids if id.startswith(begun)], has_more=len(ids) == COMPLETED)


async def _preview(asset: Asset, storage: Storage) -> bytes:
    """The preview that was kept, or a new one, which is kept."""
    before = await storage.get_preview(asset.id)
    (jpeg,) = await previews([picture(asset.image_bytes)], [before])
    if not jpeg:
        raise ImageError(Reason.STORAGE_FAILED, f"No preview of {asset.id} can be made; the file may be damaged.")
    if jpeg != before:
        await storage.put_preview(asset.id, jpeg)
    return jpeg
