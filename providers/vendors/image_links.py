"""Images that an answer carries or links to: noted, downloaded under the guard, and collected after a restart.

A link is written to the journal before it is followed, because the image behind it is paid for. Base64 is never written
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, TypeVar

import anyio
from pydantic import BaseModel, Field, model_validator

from atelier.providers.core.errors import ImageError, sanitize
from atelier.providers.core.types import Picture
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import Lenient, VendorModel, base64_bytes, invalid_response, is_data_uri
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors.contract import Job

DOWNLOAD_RETRY_DELAY = 1.0  # seconds until a link is followed again that was dead, or led to a broken image
BUCKET_SCHEMES = ("gs://", "s3://")

AnswerShape = TypeVar("AnswerShape", bound=BaseModel)


class Item(VendorModel):
    """One image of an answer, by the names that OpenAI's dialect has: base64, or a link to it."""

    b64_json: Lenient[str] = Field(default=None, exclude=True)
    url: Lenient[str] = None
    revised_prompt: Lenient[str] = None

    @model_validator(mode="after")
    def _data_uri_is_base64(self) -> Self:
        if self.url and is_data_uri(self.url):
            self.b64_json, self.url = self.b64_json or self.url, None
        return self


async def note_links(id: str | None, answer: BaseModel, items: Sequence[Item | None], wire: Wire) -> None:
    """Write an answer down if an image of it can only be had by its link."""
    if any(item and item.url and not item.b64_json for item in items):
        await wire.save_vendor_task({"id": id, "answer": answer.model_dump(mode="json")})


def noted(job: Job, shape: type[AnswerShape]) -> tuple[str | None, AnswerShape]:
    """The request id and the answer that `note_links` wrote down."""
    task = job.task or {}
    return task["id"], shape.model_validate(task["answer"])


async def images_of(
    vendor: str, items: Sequence[Item | None], wire: Wire
) -> tuple[tuple[Picture, ...], tuple[ImageError, ...]]:
    """The images that can be had, and why the others cannot: a lost one must not cost its siblings.

    An item is None where the vendor sent one that cannot be read.
    """
    images, failures = list[Picture](), list[ImageError]()
    for number, item in enumerate(items, 1):
        try:
            images.append(await _image(vendor, item, f"Downloading {number} of {len(items)}.", wire))
        except ImageError as error:
            failures.append(error)
    return tuple(images), tuple(failures)


async def _image(vendor: str, item: Item | None, progress: str, wire: Wire) -> Picture:
    """The image itself, or the one behind its link, which works for a short time only and without the key."""
    if item is None:
        raise invalid_response(f"{vendor} answered with a picture that cannot be read.")
    if item.b64_json:
        return picture(base64_bytes(item.b64_json), prompt_used=item.revised_prompt)
    if not item.url:
        raise invalid_response(f"{vendor} answered without a picture.")
    if item.url.startswith(BUCKET_SCHEMES):
        where = sanitize(item.url)
        raise invalid_response(f"{vendor} put the picture into a bucket that Atelier has no access to: {where}.")
    try:
        return picture(await wire.download(item.url, progress), prompt_used=item.revised_prompt)
    except ImageError as error:
        if error.facts.get("status", "broken") is None:  # it was tried often enough
            raise
    await anyio.sleep(DOWNLOAD_RETRY_DELAY)
    return picture(await wire.download(item.url, progress), prompt_used=item.revised_prompt)


def losses(images: Sequence[Picture], failures: Sequence[ImageError]) -> tuple[str, ...]:
    """A warning about the images that could not be had. Raises the last failure where there is no image at all."""
    if failures and not images:
        raise failures[-1]
    count = len(images) + len(failures)
    return (f"{len(failures)} of {count} pictures could not be used. {failures[0].message}",) if failures else ()
