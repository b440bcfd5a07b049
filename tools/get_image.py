"""The tool get_image: show a stored image or a copy of it, collect the result of a job, or list the newest images."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.results import ResultImage
from atelier.providers.core.sizes import ResizeSpec
from atelier.providers.images.allowed_files import asset_in, strip_quotes
from atelier.providers.images.asset_storage import Asset, Storage
from atelier.providers.images.identify import picture
from atelier.providers.images.resize import resized_copy, store_copy
from atelier.providers.images.sources import ASSET, newest_asset_id
from atelier.providers.jobs.service import ImageService
from atelier.providers.styles.save import checked_name, save_style
from atelier.tools.image_answer import ImageData, closing_lines, image_data
from atelier.tools.image_call import Delivery, answer_of, check_output_path, delivery_of, written
from atelier.tools.image_list import UPLOAD, ListedImage, maker_of, newest_images, prompt_of
from atelier.tools.parameters import fields
from atelier.tools.parameters.tool_parameters import Parameters
from atelier.tools.tool import Answer, Call, Output, Tool

DESCRIPTION = """\
Show an image that was made before, with a fresh link or its path and how it came to be; collect the result of a job \
that was still running; or list the newest images. Free; nothing is sent to a vendor. \
With output_format, crop or a size in `deliver` it makes a copy in that form. \
Call it for a job that runs instead of asking for the image again."""

MAX_PROMPT_CHARACTERS = 300  # of the prompt of one image; a list has fewer
MAX_LIMIT = 50
DEFAULT_LIMIT = 10
CROP = re.compile(r"(\d{1,6}),(\d{1,6}),([1-9]\d{0,5}),([1-9]\d{0,5})")


def _checked_crop(value: str | None) -> str | None:
    text = value.replace(" ", "") if value else None
    if text and not CROP.fullmatch(text):
        raise ValueError("must be LEFT,TOP,WIDTH,HEIGHT in pixels, such as 0,0,512,512")
    return text


class GetImage(Parameters):
    """The parameters of get_image."""

    id: Annotated[
        Annotated[str, Field(max_length=4000)] | None,
        fields.Blank,
        Field(description="An asset id (img_...), a job id (job_...), a link of ours, or last (default)."),
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
    output_format: fields.OutputFormat = None
    crop: Annotated[
        Annotated[str, Field(max_length=40)] | None,
        fields.Blank,
        AfterValidator(_checked_crop),
        Field(description="LEFT,TOP,WIDTH,HEIGHT in pixels."),
    ] = None
    save_style: Annotated[
        Annotated[str, Field(max_length=60)] | None,
        fields.Blank,
        AfterValidator(checked_name),
        Field(description="Save its look as a style of this name, for `style`."),
    ] = None
    deliver: fields.Deliver = None
    output_path: fields.OutputPath = None
    deliver_size: fields.DeliverSize = None
    deliver_fit: fields.DeliverFit = None
    deliver_max_kb: fields.DeliverMaxKb = None


class GetImageOutput(Output):
    """One image with its record, the result of a job, or a list."""

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
    """Return an image, a copy of it, a job's result, or a list."""
    storage = service.pipeline.storage
    if storage is None:
        raise ImageError(Reason.NOT_FOUND, "Nothing is stored here.", hint="Make an image first.")
    if params.save_style and (params.list or params.before or (params.id or "").strip().startswith("job_")):
        message = "“save_style” is for one image."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give its asset id as `id`, without list and before.")
    if params.list or params.before:
        page = await newest_images(storage, params.limit or DEFAULT_LIMIT, params.before)
        return Answer(text=page.text, data=GetImageOutput(summary=page.summary, pictures=page.rows))
    delivery, wanted = delivery_of(params), _copy_of(params)
    await check_output_path(params, call)
    words = (params.id or "last").strip()
    words = storage.id_in(words) or asset_in(words) or strip_quotes(words)
    if words.startswith("job_"):
        result = await service.get_result(words, caller=call.caller, on_progress=call.on_progress)
        return await answer_of(result, params, call)
    is_last = words.lower() == "last"
    id = await newest_asset_id(storage) if is_last else words
    asset = await storage.get(id) if id and ASSET.fullmatch(id) else None
    if asset is None:
        what = "There is no image yet." if is_last else f"There is no image “{sanitize(words, 60)}”."
        raise ImageError(Reason.NOT_FOUND, what, hint="Call get_image with list=true for those that there are.")
    saved = params.save_style and await save_style(
        params.save_style, asset, call.styles(), overwrite=delivery.overwrite
    )
    answer = await _shown(asset, storage, wanted, delivery, call)
    return await written(answer.with_note(saved) if saved else answer, params, call)


def _copy_of(params: GetImage) -> ResizeSpec | None:
    """Return the requested copy, or None for the image as it is."""
    spec = delivery_of(params).copy
    if not (spec or params.crop or params.output_format):
        return None
    left, top, width, height = map(int, params.crop.split(",")) if params.crop else (0, 0, 0, 0)
    box = (left, top, width, height) if params.crop else None
    return replace(spec or ResizeSpec(), box=box, format=params.output_format)


async def _shown(asset: Asset, storage: Storage, wanted: ResizeSpec | None, delivery: Delivery, call: Call) -> Answer:
    """Return the answer that shows an image, or the requested copy of it."""
    shown, warnings = await _image(asset, storage, wanted, keep=delivery.store)
    warnings += [shown.stored.warning] if shown.stored and shown.stored.warning and not warnings else []
    record, image = asset.record, image_data(shown)
    whole = delivery.inline and len(shown.image_bytes) <= call.inline_limit
    fate, brief = closing_lines([shown], call.inline_limit, whole=whole)
    name = f"A copy of {asset.id}" if wanted else asset.id
    size = f"{image.width}×{image.height} {shown.format.upper()}"
    prompt, cost = prompt_of(record, MAX_PROMPT_CHARACTERS), record.get("actual_usd")
    data = GetImageOutput(
        summary=f"{name}, {size}; {brief}.",
        images=[image],
        provider=record.get("provider"),
        model=record.get("model"),
        operation=record.get("operation"),
        prompt=prompt,
        seed=record.get("seed"),
        parent=asset.id if wanted else record.get("parent"),
        created_at=record.get("created_at"),
        estimated_usd=record.get("estimated_usd"),
        actual_usd=cost,
        warnings=warnings or None,
    )
    facts = {
        "Asset id of the copy": image.id if wanted else None,
        "Made": record.get("created_at"),
        "By": None if record.get("operation") == UPLOAD else maker_of(record),
        "Operation": record.get("operation"),
        "Prompt": prompt and f"“{prompt}”",
        "Seed": record.get("seed"),
        "Parent": data.parent,
        "Cost": None if cost is None else f"${cost:g}",
    }
    lines = [
        f"{name} ({size}).",
        *([f"[Open full size]({image.url})"] if image.url else []),
        *([f"File: {image.path}"] if image.path else []),
        *(f"{name}: {value}" for name, value in facts.items() if value is not None),
        *(f"Note: {warning}" for warning in warnings),
        fate,
    ]
    return Answer(text="\n".join(lines), data=data, pictures=(shown,), whole=whole, inline_limit=call.inline_limit)


async def _image(
    asset: Asset, storage: Storage, wanted: ResizeSpec | None, *, keep: bool
) -> tuple[ResultImage, list[str]]:
    """Return the image, or the requested copy, which is stored with `keep`; and warnings."""
    record = asset.record
    made = picture(asset.image_bytes, prompt_used=record.get("prompt_used"), seed=record.get("seed"))
    if wanted is None or wanted == ResizeSpec(format=made.format):
        return ResultImage(made, await storage.where(asset.id)), []
    if keep:
        return await store_copy(made, record, wanted, storage.put)
    return ResultImage(await run_on_processor(resized_copy, made, wanted)), []


TOOL = Tool(
    name="get_image",
    title="Get an image",
    description=DESCRIPTION,
    kind="reads",
    parameters=GetImage,
    run=run,
    unlisted=frozenset({"deliver_size", "deliver_fit", "deliver_max_kb"}),
)
