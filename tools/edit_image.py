"""The tool edit_image: make a new picture from one that exists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError
from atelier.providers.core.gates.option_gates import ATELIER_OPTIONS
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import SourceImage
from atelier.providers.jobs.service import ImageService
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.styles.apply import with_style
from atelier.providers.styles.library import FoundStyle, Styles
from atelier.tools.image_call import answer_of, replay, request_fields, submission
from atelier.tools.parameters.tool_parameters import UNLISTED, EditImage, EditParameters
from atelier.tools.tool import Answer, Call, Tool

DESCRIPTION = """\
Change an image: edit it by instruction, repaint what a mask marks, extend it, erase something, \
cut out or replace its background, find and replace or recolour something, upscale it, or make variations. \
The result is a new image; the source stays. Without `model` a vendor that can do it is chosen. \
Leave out what the user did not ask for; what a model cannot do is refused by name before anything is billed. \
Each call may cost money. Takes 5 to 60 seconds."""


ReadSource = Callable[[str], Awaitable[SourceImage]]
"""Reads the image that an asset id, “last”, an address or a path names."""


async def request_of(params: EditImage, style: FoundStyle | None, styles: Styles, pipeline: Pipeline) -> ImageRequest:
    """Read the source pictures and build the request of the parameters, with the style that they name."""
    found = await _read_all(
        pipeline.sources.read, [params.image, *params.images, *([params.mask] if params.mask else [])]
    )
    marked = found.pop() if params.mask else None
    first = found[0]
    request = ImageRequest(
        prompt=params.prompt or "",
        **edit_fields_of(params),
        operation=operation_of(params.operation, bool(marked)),
        sources=tuple(each.picture for each in found),
        mask=await run_on_processor(normalise_mask, marked.picture.image_bytes) if marked else None,
        parent=first.id,
        origin=first.provider,
        vendor_image=first.vendor_image,
    )
    return await with_style(request, style, styles(), pipeline) if request.style else request


async def _read_all(read: ReadSource, named: Sequence[str]) -> list[SourceImage]:
    """Read the sources concurrently. The first ImageError cancels the other reads and is raised."""
    found, failed = dict[int, SourceImage](), list[ImageError]()

    async def read_one(place: int) -> None:
        try:
            found[place] = await read(named[place])
        except ImageError as error:
            failed.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for place in range(len(named)):
            tasks.start_soon(read_one, place)
    if failed:
        raise failed[0]
    return [found[place] for place in range(len(named))]


def operation_of(word: str | None, masked: bool) -> Operation:
    """Return the operation of that name; without a name inpaint when there is a mask, else edit."""
    return Operation(word) if word else Operation.INPAINT if masked else Operation.EDIT


def edit_fields_of(params: EditParameters) -> dict[str, Any]:
    """Return the parameters as fields of an ImageRequest, except the pictures."""
    common = request_fields(params)
    own: dict[str, Any] = {name: value for name in ATELIER_OPTIONS if (value := getattr(params, name)) is not None}
    return {**common, "strength": params.strength, "options": {**common["options"], **own}}


async def run(params: EditImage, service: ImageService, call: Call) -> Answer:
    """Make the picture, or return the result of the same call.

    The time for reading the sources counts toward the wait limit.
    """
    style = await call.styles().find(params.style) if params.style else None
    if before := await replay(params, style, service, call):
        return before
    began = anyio.current_time()
    request = await request_of(params, style, call.styles, service.pipeline)
    service = service.with_time_spent(anyio.current_time() - began)
    result = await service.submit(request, **await submission(params, style, call))
    return await answer_of(result, params, call)


TOOL = Tool(
    name="edit_image",
    title="Edit an image",
    description=DESCRIPTION,
    kind="creates",
    parameters=EditImage,
    run=run,
    unlisted=UNLISTED,
)
