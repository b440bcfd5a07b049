"""The tool delete_image: remove stored images for good. Not among the default tools; ATELIER_TOOLS adds it.

It is a tool of its own because hosts run a tool without asking the user when its hints say that it only reads.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.images.sources import ASSET
from atelier.providers.jobs.service import ImageService
from atelier.tools.parameters.arguments import parse_list
from atelier.tools.parameters.tool_parameters import Parameters
from atelier.tools.tool import Answer, Call, Output, Tool

DESCRIPTION = """\
Delete stored images for good, by their asset ids. Only when the user asked for it: the files cannot be restored, \
and what they cost is not paid back."""


class DeleteImage(Parameters):
    """The parameters of delete_image."""

    ids: Annotated[
        list[Annotated[str, Field(max_length=100)]],
        BeforeValidator(parse_list),
        Field(min_length=1, max_length=50, description="Asset ids (img_...) of the images to delete."),
    ]


class DeleteImageOutput(Output):
    """What was deleted, and what was not there."""

    summary: str
    deleted: list[str]
    not_found: list[str] | None = None


async def run(params: DeleteImage, service: ImageService, call: Call) -> Answer:
    """Delete the images. Nothing is deleted when one of the names is no asset id."""
    storage = service.pipeline.storage
    wrong = [id for id in params.ids if not ASSET.fullmatch(id)]
    if wrong or storage is None:
        message = f"“{sanitize(wrong[0], 60)}” is no asset id." if wrong else "Nothing is stored here."
        hint = "Give asset ids of a list; “last” is not taken here."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint)
    deleted, missing = list[str](), list[str]()
    for id in dict.fromkeys(params.ids):
        (deleted if await storage.delete(id) else missing).append(id)
    parts = [f"Deleted: {', '.join(deleted)}."] if deleted else []
    parts += [f"Not found: {', '.join(missing)}."] if missing else []
    summary = " ".join(parts)
    return Answer(text=summary, data=DeleteImageOutput(summary=summary, deleted=deleted, not_found=missing or None))


TOOL = Tool(
    name="delete_image",
    title="Delete images",
    description=DESCRIPTION,
    kind="deletes",
    parameters=DeleteImage,
    run=run,
)
