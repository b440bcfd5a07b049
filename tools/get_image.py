"""The tool get_image: show a stored picture, collect the result of a job, or list the newest pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.results import ResultImage
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.identify import picture
from atelier.providers.images.sources import ASSET, Asset, newest_asset_id
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.tools.image_answer import ImageData, format_handle, format_result, image_data
from atelier.tools.parameters import fields
from atelier.tools.tool import Answer, Call, Output, Parameters, Tool

DESCRIPTION = """\
Show an image that was made before, with a fresh link or its path and how it came to be; collect the result of a job \
that was still running; or list the newest images. Free, and changes nothing. \
Give an asset id, a job id from an answer with status “running”, or “last”; with `list` the newest images are listed \
with prompt, model, cost and parent. Call it for a job that runs instead of asking for the image again."""

MAX_PROMPT_CHARACTERS = 300  # of the prompt of one picture; a list has fewer
LIST_DETAILS = ((80, True), (40, True), (20, True), (20, False))
"""Characters of each prompt and whether the time is shown. A list uses the first pair with which it fits."""
MAX_DATA_BYTES = 6000  # of a list, as text and as data: hosts paste either into the model's context
MAX_LIMIT = 50
UPLOAD = "upload"  # the operation in the record of an image that its caller uploaded
DEFAULT_LIMIT = 10


class GetImage(Parameters):
    """The parameters of get_image."""

    id: Annotated[
        Annotated[str, Field(max_length=4000)] | None,
        fields.Blank,
        Field(description="An asset id (img_...), a job id (job_...), a link of ours, or last, also when left out."),
    ] = None
    list: Annotated[bool, fields.Switch, Field(description="true lists the newest images instead.")] = False
    limit: Annotated[
        Annotated[int, Field(ge=1, le=MAX_LIMIT)] | None,
        fields.Blank,
        fields.Number,
        Field(description=f"How many are listed; {DEFAULT_LIMIT} when left out."),
    ] = None
    before: Annotated[
        Annotated[str, Field(max_length=100)] | None,
        fields.Blank,
        Field(description="List those older than this asset id."),
    ] = None


class ListedImage(BaseModel):
    """One picture of a list."""

    id: str
    created_at: str | None = None
    prompt: str | None = None
    model: str | None = None
    actual_usd: float | None = None
    parent: str | None = None


class GetImageOutput(Output):
    """One picture with its record, the result of a job, or a list."""

    status: Literal["done", "running"] = "done"
    summary: str
    job: str | None = None
    images: list[ImageData] | None = None
    folder: str | None = None
    provider: str | None = None
    model: str | None = None
    operation: str | None = None
    prompt: str | None = None
    seed: int | None = None
    parent: str | None = None
    created_at: str | None = None
    estimated_usd: float | None = None
    actual_usd: float | None = None
    warnings: list[str] | None = None
    pictures: Annotated[list[ListedImage] | None, Field(description="The newest first.")] = None


async def run(params: GetImage, service: ImageService, call: Call) -> Answer:
    """Return a picture, a job's result, or a list."""
    storage = service.pipeline.storage
    if storage is None:
        raise ImageError(Reason.NOT_FOUND, "Nothing is stored here.", hint="Make an image first.")
    if params.list or params.before:
        return await _list(storage, params.limit or DEFAULT_LIMIT, params.before)
    words = (params.id or "last").strip()
    words = storage.id_in(words) or words.removeprefix("image://assets/").removesuffix("/preview")
    if words.startswith("job_"):
        result = await service.get_result(words, caller=call.caller, on_progress=call.on_progress)
        return format_handle(result) if isinstance(result, JobHandle) else format_result(result)
    id = await newest_asset_id(storage) if words == "last" else words
    asset = await storage.get(id) if id and ASSET.fullmatch(id) else None
    if asset is None:
        what = "There is no image yet." if words == "last" else f"There is no image “{sanitize(words, 60)}”."
        raise ImageError(Reason.NOT_FOUND, what, hint="Call get_image with list=true for those that there are.")
    return await _shown(asset, storage)


async def _shown(asset: Asset, storage: Storage) -> Answer:
    record = asset.record
    made = picture(asset.image_bytes, prompt_used=record.get("prompt_used"), seed=record.get("seed"))
    shown = ResultImage(made, await storage.where(asset.id))
    image = image_data(shown)
    warnings = [shown.stored.warning] if shown.stored and shown.stored.warning else []
    uploaded = record.get("operation") == UPLOAD
    size = f"{image.width}×{image.height} {shown.format.upper()}"
    prompt, cost = _prompt(record, MAX_PROMPT_CHARACTERS), record.get("actual_usd")
    data = GetImageOutput(
        summary=f"{asset.id}, {size}; show the user the path or link.",
        images=[image],
        provider=record.get("provider"),
        model=record.get("model"),
        operation=record.get("operation"),
        prompt=prompt,
        seed=record.get("seed"),
        parent=record.get("parent"),
        created_at=record.get("created_at"),
        estimated_usd=record.get("estimated_usd"),
        actual_usd=cost,
        warnings=warnings or None,
    )
    facts = {
        "Made": record.get("created_at"),
        "By": None if uploaded else _maker(record),
        "Operation": record.get("operation"),
        "Prompt": prompt and f"“{prompt}”",
        "Seed": record.get("seed"),
        "Parent": record.get("parent"),
        "Cost": None if cost is None else f"${cost:g}",
    }
    lines = [
        f"{asset.id} ({size}).",
        *([f"[Open full size]({image.url})"] if image.url else []),
        *([f"File: {image.path}"] if image.path else []),
        *(f"{name}: {value}" for name, value in facts.items() if value is not None),
        *(f"Note: {warning}" for warning in warnings),
        "Show the user the path or link. Only a small preview is attached; if you cannot see it, do not describe it.",
    ]
    return Answer(text="\n".join(lines), data=data, pictures=(shown,))


async def _list(storage: Storage, limit: int, before: str | None) -> Answer:
    """List the newest pictures that fit; the summary names the id from which to continue."""
    if before and not ASSET.fullmatch(before):
        message = f"“before” is no asset id (“{sanitize(before, 60)}”)."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give the last id of the page before.")
    records = await storage.newest(limit + 1, before)
    shown, more = records[:limit], len(records) > limit
    attempts = (_page(shown, characters, timed, more=more) for characters, timed in LIST_DETAILS)
    shorter = (_page(shown[:count], *LIST_DETAILS[-1], more=True) for count in range(len(shown) - 1, 0, -1))
    return next(page for page in chain(attempts, shorter) if _fits(page) or len(shown) <= 1)


def _page(records: list[Mapping[str, Any]], characters: int, timed: bool, *, more: bool) -> Answer:
    rows = [
        ListedImage(
            id=str(record["id"]),
            created_at=record.get("created_at") if timed else None,
            prompt=_prompt(record, characters),
            model=UPLOAD if record.get("operation") == UPLOAD else _maker(record),
            actual_usd=record.get("actual_usd"),
            parent=record.get("parent"),
        )
        for record in records
    ]
    older = f" Older ones: before={rows[-1].id}." if more else ""
    summary = f"{len(rows)} image{'' if len(rows) == 1 else 's'}, the newest first.{older}" if rows else "No image."
    lines = [_line(row) for row in rows]
    return Answer(text="\n".join([summary, *lines]), data=GetImageOutput(summary=summary, pictures=rows))


def _fits(answer: Answer) -> bool:
    data = json.dumps(answer.data.model_dump(exclude_none=True), ensure_ascii=False)
    return max(len(data.encode()), len(answer.text.encode())) <= MAX_DATA_BYTES


def _line(row: ListedImage) -> str:
    cost = "" if row.actual_usd is None else f", ${row.actual_usd:g}"
    parent = f", of {row.parent}" if row.parent else ""
    time = f" {row.created_at[:16]}Z" if row.created_at else ""
    return f"- {row.id}{time} {row.model}{cost}{parent}: “{row.prompt or ''}”"


def _maker(record: Mapping[str, Any]) -> str:
    return f"{record.get('provider', 'unknown')}/{record.get('model', 'unknown')}"


def _prompt(record: Mapping[str, Any], limit: int) -> str | None:
    prompt = record.get("prompt")
    return sanitize(prompt, limit) if prompt else None


TOOL = Tool(
    name="get_image",
    title="Get an image",
    description=DESCRIPTION,
    kind="reads",
    parameters=GetImage,
    output=GetImageOutput,
    run=run,
)
