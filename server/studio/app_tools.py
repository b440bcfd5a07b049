"""The tools that the page of the studio calls. Models do not see them; they check names as all tools do."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.images.asset_storage import Asset, Storage
from atelier.providers.images.identify import picture
from atelier.providers.images.sources import ASSET
from atelier.providers.jobs.service import ImageService
from atelier.server.mcp.previews import FULL, PreviewLimits, preview
from atelier.server.settings import Settings
from atelier.tools import delete_image
from atelier.tools.image_list import UPLOAD, maker_of, prompt_of
from atelier.tools.parameters.tool_parameters import Parameters
from atelier.tools.tool import Answer, Call, Output, Tool

PAGE_SIZE = 24
RECORDS_AT_ONCE = 100  # that a search reads from the storage
MAX_SEARCHED = 2_000  # records for one answer; the page asks for more
MAX_PROMPT_CHARACTERS = 2_000
MAX_PREVIEWS = 12
PREVIEW_BYTES = 96 * 1024  # of all previews of one answer; in base64 below the 150,000 characters that hosts allow
SMALLEST_PREVIEW = 4 * 1024
CHUNK_BYTES = 96 * 1024  # of a file, for the same reason
LARGEST_CHUNK_BYTES = 384 * 1024  # where the host takes it: half a megabyte in base64

Id = Annotated[str, Field(pattern=f"^{ASSET.pattern}$")]


class StudioImages(Parameters):
    """The parameters of studio_images."""

    search: Annotated[str, Field(max_length=200, description="Words of the prompt; all of them must be in it.")] = ""
    before: Annotated[Id | None, Field(description="Those older than this asset id.")] = None
    parent: Annotated[Id | None, Field(description="Those that were made from this image.")] = None
    ids: Annotated[list[Id], Field(max_length=50, description="Exactly these, whatever the search.")] = []  # noqa: RUF012
    limit: Annotated[int, Field(ge=1, le=100)] = PAGE_SIZE


class StudioImage(BaseModel):
    """An image as the gallery shows it."""

    id: str
    created_at: str | None = None
    prompt: str | None = None
    model: str | None = None
    operation: str | None = None
    actual_usd: float | None = None
    parent: str | None = None
    width: int | None = None
    height: int | None = None
    mime: str | None = None
    bytes: int | None = None


class StudioImagesOutput(Output):
    """A page of the gallery. `next` is the id to go on from; absent at the end."""

    found: list[StudioImage]
    next: str | None = None


class StudioPreviews(Parameters):
    """The parameters of studio_previews."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_PREVIEWS)]
    edge: Annotated[int, Field(ge=64, le=1568, description="The long edge in pixels.")] = 256


class StudioPreviewsOutput(Output):
    """A JPEG in base64 for each id, "" for one that is damaged or gone; those that did not fit are left out."""

    previews: dict[str, str]


class StudioFile(Parameters):
    """The parameters of studio_file."""

    id: Id
    offset: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=3, le=LARGEST_CHUNK_BYTES, description="Bytes, in threes.")] = CHUNK_BYTES


class StudioFileOutput(Output):
    """A part of a file in base64. `next` is the offset of the part after it; `url` a link to the whole."""

    mime: str
    bytes: int
    data: str
    next: int | None = None
    url: str | None = None


async def list_images(params: StudioImages, service: ImageService, call: Call) -> Answer:
    """Return the newest images whose prompts have the words of the search, or those that are named."""
    storage = _storage(service)
    if params.ids:
        records = [record for id in params.ids if (record := await storage.head(id))]
        return _listed(records, None)
    found, before = list[Mapping[str, Any]](), params.before
    filtered, searched = bool(params.search.strip() or params.parent), 0
    while True:
        count = RECORDS_AT_ONCE if filtered else params.limit - len(found) + 1
        records = await storage.newest(count, before)
        for record in records:
            if len(found) == params.limit:
                return _listed(found, before)
            before = str(record["id"])
            if params.parent and before <= params.parent:  # ids sort by time, and nothing is made from a later image
                return _listed(found, None)
            if _matches(record, params):
                found.append(record)
        searched += len(records)
        if len(records) < count or searched >= MAX_SEARCHED:
            return _listed(found, before if len(records) == count else None)


def _matches(record: Mapping[str, Any], params: StudioImages) -> bool:
    """Return whether an image has all words of the search, and the requested parent."""
    text = f"{record.get('prompt') or ''} {maker_of(record)} {record['id']}".casefold()
    words = params.search.casefold().split()
    return all(word in text for word in words) and params.parent in (None, record.get("parent"))


def _listed(records: list[Mapping[str, Any]], more: str | None) -> Answer:
    data = StudioImagesOutput(found=[_image(record) for record in records], next=more)
    return Answer(text=f"{len(records)} images.", data=data)


def _image(record: Mapping[str, Any]) -> StudioImage:
    operation = record.get("operation")
    return StudioImage(
        id=str(record["id"]),
        created_at=record.get("created_at"),
        prompt=prompt_of(record, MAX_PROMPT_CHARACTERS),
        model=UPLOAD if operation == UPLOAD else maker_of(record),
        operation=operation,
        actual_usd=record.get("actual_usd"),
        parent=record.get("parent"),
        width=record.get("width"),
        height=record.get("height"),
        mime=record.get("mime"),
        bytes=record.get("bytes"),
    )


async def show_previews(params: StudioPreviews, service: ImageService, call: Call) -> Answer:
    """Return small copies of images, as many as fit into one answer."""
    storage, previews, left = _storage(service), dict[str, str](), PREVIEW_BYTES
    share = max(SMALLEST_PREVIEW, PREVIEW_BYTES // len(params.ids))
    for id in params.ids:
        jpeg = await _preview(id, storage, PreviewLimits(params.edge, share))
        if previews and len(jpeg) > left:
            break
        left -= len(jpeg)
        previews[id] = b64encode(jpeg).decode()
    return Answer(text=f"{len(previews)} previews.", data=StudioPreviewsOutput(previews=previews))


async def _preview(id: str, storage: Storage, limits: PreviewLimits) -> bytes:
    """Return a JPEG within the limits, made from the stored preview where that is large enough; b"" for none."""
    source = await storage.get_preview(id) if limits.edge <= FULL.edge else None
    if source is None:
        asset = await storage.get(id)
        if asset is None:
            return b""
        source = asset.image_bytes
        if limits.edge <= FULL.edge and (usual := await run_on_processor(preview, source)):
            await storage.put_preview(id, usual)
            source = usual
    return await run_on_processor(preview, source, 1, limits)


async def read_file(params: StudioFile, service: ImageService, call: Call) -> Answer:
    """Return a part of the file of an image, and a link to it where there is one."""
    storage = _storage(service)
    asset: Asset | None = await storage.get(params.id)
    if asset is None:
        raise ImageError(Reason.NOT_FOUND, f"There is no image {sanitize(params.id, 60)}.", hint="Reload the gallery.")
    whole, end = asset.image_bytes, params.offset + params.limit // 3 * 3  # so that the parts in base64 can be joined
    data = StudioFileOutput(
        mime=picture(whole).mime,
        bytes=len(whole),
        data=b64encode(whole[params.offset : end]).decode(),
        next=end if end < len(whole) else None,
        url=await storage.link(params.id) if params.offset == 0 else None,
    )
    return Answer(text=f"{len(whole)} bytes.", data=data)


def _storage(service: ImageService) -> Storage:
    storage = service.pipeline.storage
    if storage is None:
        raise ImageError(Reason.NOT_FOUND, "Nothing is stored here.", hint="Make an image first.")
    return storage


APP_TOOLS: Mapping[str, Tool[Any]] = {
    tool.name: tool
    for tool in (
        Tool(
            name="studio_images",
            title="List images for the studio",
            description="Images as the studio shows them, the newest first.",
            kind="reads",
            parameters=StudioImages,
            run=list_images,
        ),
        Tool(
            name="studio_previews",
            title="Show images in the studio",
            description="Small copies of images.",
            kind="reads",
            parameters=StudioPreviews,
            run=show_previews,
        ),
        Tool(
            name="studio_file",
            title="Read an image for the studio",
            description="The file of an image, in parts.",
            kind="reads",
            parameters=StudioFile,
            run=read_file,
        ),
        Tool(
            name="studio_delete",
            title="Delete images from the studio",
            description=delete_image.DESCRIPTION,
            kind="deletes",
            parameters=delete_image.DeleteImage,
            run=delete_image.run,
        ),
    )
}
"""Tool by name. Their answers are data alone."""


def app_tools_of(settings: Settings) -> Mapping[str, Tool[Any]]:
    """Return the tools of the page. Settings that name the tools to serve, and not get_image, leave no studio.

    Deleting is then for those who name delete_image.
    """
    named = settings.tools
    if not named:
        return APP_TOOLS
    if "get_image" not in named:
        return {}
    return {name: tool for name, tool in APP_TOOLS.items() if tool.kind == "reads" or "delete_image" in named}
