"""edit_image: a picture and what to change, another picture out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError
from atelier.providers.core.gates.option_gates import OURS
from atelier.providers.core.types import ImageRequest, Operation
from atelier.providers.images.masks import mask
from atelier.providers.images.sources import Found
from atelier.providers.jobs.service import ImageService
from atelier.tools.image_answer import Drawn
from atelier.tools.image_call import Drawing, asked_for, draw, drawn_before
from atelier.tools.parameters import edit_fields
from atelier.tools.tool import Answer, Call, Tool

DESCRIPTION = """\
Change a picture that exists: edit it by instruction, repaint what a mask marks, extend it, erase something, \
cut out or replace its background, find and replace or recolour something, upscale it, or make variations. \
Name the picture by the asset id of an earlier answer, by “last”, by a public https address, or by a path; it stays as \
it is, and the changed one is a new picture with an id of its own. \
Without `model` a vendor is chosen that can do it, the picture's own vendor first, and the answer says which. \
Leave out what the user did not ask for; what a model cannot honour is refused by name before anything is billed. \
Each call may cost money. Takes 5 to 60 seconds."""


class Changing(Drawing):
    """What may be said about a change, besides which picture and what to do with it."""

    images: edit_fields.Images = []  # noqa: RUF012 - pydantic copies it
    mask: edit_fields.Mask = None
    strength: edit_fields.Strength = None
    search: edit_fields.Search = None
    left: edit_fields.Side = None
    right: edit_fields.Side = None
    top: edit_fields.Side = None
    bottom: edit_fields.Side = None


class EditImage(Changing):
    """What may be said about a change."""

    image: edit_fields.Image
    prompt: edit_fields.EditPrompt = None
    operation: edit_fields.EditOperation = None


Read = Callable[[str], Awaitable[Found]]
"""How the words of a caller become a picture."""


async def request_of(asked: EditImage, read: Read) -> ImageRequest:
    """The caller's parameters in the library's nouns, with the pictures that they name."""
    found = await _all_read(read, [asked.image, *asked.images, *([asked.mask] if asked.mask else [])])
    marked = found.pop() if asked.mask else None
    first = found[0]
    return ImageRequest(
        prompt=asked.prompt or "",
        **change_of(asked),
        operation=operation_of(asked.operation, bool(marked)),
        sources=tuple(each.picture for each in found),
        mask=await anyio.to_thread.run_sync(mask, marked.picture.image_bytes) if marked else None,
        parent=first.id,
        origin=first.provider,
    )


async def _all_read(read: Read, named: Sequence[str]) -> list[Found]:
    """What is named, side by side, for each may be far away. The first that cannot be had calls off the others."""
    found, failed = dict[int, Found](), list[ImageError]()

    async def one(place: int) -> None:
        try:
            found[place] = await read(named[place])
        except ImageError as error:
            failed.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for place in range(len(named)):
            tasks.start_soon(one, place)
    if failed:
        raise failed[0]
    return [found[place] for place in range(len(named))]


def operation_of(word: str | None, masked: bool) -> Operation:
    """What is to be done: what was said, else inpaint where a mask is given, else edit by instruction."""
    return Operation(word) if word else Operation.INPAINT if masked else Operation.EDIT


def change_of(asked: Changing) -> dict[str, Any]:
    """The parameters of a change, but for the pictures, as fields of an ImageRequest."""
    common = asked_for(asked)
    own: dict[str, Any] = {name: value for name in OURS if (value := getattr(asked, name)) is not None}
    return {**common, "strength": asked.strength, "options": {**common["options"], **own}}


async def run(asked: EditImage, service: ImageService, call: Call) -> Answer:
    """A picture and what to change in, another picture out. The sources take of the time that the caller waits."""
    if before := await drawn_before(asked, service, call):
        return before
    began = anyio.current_time()
    request = await request_of(asked, service.pipeline.sources.read)
    return await draw(request, asked, service.with_time_spent(anyio.current_time() - began), call)


TOOL = Tool(
    name="edit_image",
    title="Edit an image",
    description=DESCRIPTION,
    kind="draws",
    parameters=EditImage,
    output=Drawn,
    run=run,
)
