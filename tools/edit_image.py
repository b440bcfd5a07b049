"""edit_image: a picture and what to change, another picture out."""

from __future__ import annotations

from typing import Any

import anyio

from atelier.providers.core.masks import mask
from atelier.providers.core.types import ImageRequest, Operation, Tell
from atelier.providers.pipeline import Pipeline
from atelier.tools import fields
from atelier.tools.drawing import Drawing, asked_for, draw
from atelier.tools.drawn import Drawn
from atelier.tools.tool import Answer, Tool

DESCRIPTION = """\
Change a picture that exists: edit it by instruction, repaint what a mask marks, extend it, erase something, \
cut out or replace its background, find and replace or recolour something, upscale it, or make variations. \
Name the picture by the asset id of an earlier answer, by “last”, by a public https address, or by a path; it stays as \
it is, and the changed one is a new picture with an id of its own. \
Without `model` a vendor is chosen that can do it, the picture's own vendor first, and the answer says which. \
Leave out what the user did not ask for; what a model cannot honour is refused by name before anything is billed. \
Each call may cost money. Takes 5 to 60 seconds."""


class EditImage(Drawing):
    """What may be said about a change."""

    image: fields.Image
    prompt: fields.EditPrompt = None
    operation: fields.EditOperation = None
    images: fields.Images = []  # noqa: RUF012 - pydantic copies it
    mask: fields.Mask = None
    strength: fields.Strength = None
    search: fields.Search = None
    left: fields.Side = None
    right: fields.Side = None
    top: fields.Side = None
    bottom: fields.Side = None


OPTIONS = ("search", "left", "right", "top", "bottom")


async def request_of(asked: EditImage, pipeline: Pipeline) -> ImageRequest:
    """The caller's parameters in the library's nouns, with the pictures that they name."""
    first = await pipeline.sources.read(asked.image)
    others = [await pipeline.sources.read(words) for words in asked.images]
    marked = await pipeline.sources.read(asked.mask) if asked.mask else None
    usual = Operation.INPAINT if marked else Operation.EDIT
    options: dict[str, Any] = {name: value for name in OPTIONS if (value := getattr(asked, name)) is not None}
    return ImageRequest(
        prompt=asked.prompt or "",
        **asked_for(asked),
        operation=Operation(asked.operation) if asked.operation else usual,
        sources=(first.picture, *(other.picture for other in others)),
        mask=await anyio.to_thread.run_sync(mask, marked.picture.image_bytes) if marked else None,
        strength=asked.strength,
        parent=first.id,
        origin=first.provider,
        options=options,
    )


async def run(asked: EditImage, pipeline: Pipeline, tell: Tell) -> Answer:
    """A picture and what to change in, another picture out."""
    return await draw(await request_of(asked, pipeline), asked, pipeline, tell)


TOOL = Tool(
    name="edit_image",
    title="Edit an image",
    description=DESCRIPTION,
    kind="draws",
    parameters=EditImage,
    output=Drawn,
    run=run,
)
