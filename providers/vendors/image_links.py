"""Images that an answer contains or links to: links are saved, downloaded, and collected after a restart.

A link is saved before it is followed, because the image behind it is paid for. Base64 is never saved.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self, TypeVar, cast

import anyio
from pydantic import BaseModel, Field, model_validator

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError, sanitize
from atelier.providers.core.types import Picture
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    base64_bytes,
    invalid_response,
    is_data_uri,
    lenient_json,
)
from atelier.providers.transport.wire import Wire
from atelier.providers.vendors.contract import Job

DOWNLOAD_RETRY_DELAY = 1.0  # seconds before a link that failed is followed again
BUCKET_SCHEMES = ("gs://", "s3://")

AnswerShape = TypeVar("AnswerShape", bound=BaseModel)


IMAGE_FIELDS = ("b64_json", "b64Json", "b64", "base64", "image_base64", "image", "url", "image_url", "imageUrl", "uri")
"""Names of an image's field at OpenAI and other hosts. Its value is a text, or an object with one of these fields."""

CONTAINERS = (
    "data", "images", "image_urls", "output", "result", "results", "artifacts", "body",
    "choices", "message", "content",  # of chat completions
    "candidates", "parts", "inlineData", "inline_data",  # of Gemini's API
)  # fmt: skip
"""Names of fields that hold images, at hosts of OpenAI's dialect that put them elsewhere than into `data`."""

MARKDOWN_IMAGE = re.compile(r"!\[[^\]]*\]\(\s*([^)\s]+)")  # its link, in the text of a chat completion

BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "UklGR", "R0lGOD")
"""The first letters of a PNG, JPEG, WebP and GIF in base64."""


class Item(VendorModel):
    """One image of an answer, base64 or a link: the first of IMAGE_FIELDS that is not empty counts."""

    b64_json: Lenient[str] = Field(default=None, exclude=True)
    url: Lenient[str] = None
    revised_prompt: Lenient[str] = None

    @model_validator(mode="before")
    @classmethod
    def _by_other_names(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"url": value}
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        if fields.get("b64_json") or (fields.get("url") and isinstance(fields["url"], str)):
            return fields
        return {**fields, "url": next((text for name in IMAGE_FIELDS if (text := _text_of(fields.get(name)))), None)}

    @model_validator(mode="after")
    def _base64_or_link(self) -> Self:
        if self.b64_json and self.b64_json[:8].lower().startswith(("http://", "https://")):
            self.b64_json, self.url = None, self.b64_json
        elif self.url and (is_data_uri(self.url) or (self.url.startswith(BASE64_STARTS) and "." not in self.url)):
            self.b64_json, self.url = self.b64_json or self.url, None
        return self


def _text_of(value: Any) -> str | None:
    """Return the text of an image's field; `{"image_url": {"url"}}` has it one level below."""
    inner = cast("dict[str, Any]", value) if isinstance(value, dict) else {"url": value}
    found = next((inner[name] for name in IMAGE_FIELDS if inner.get(name)), None)
    return found if isinstance(found, str) else None


class ItemsAnswer(VendorModel):
    """An answer with its images in `data`, where other hosts' images are found by CONTAINERS."""

    @model_validator(mode="before")
    @classmethod
    def _images_in_data(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            found = _items_in(value)
            return {"data": found} if found else value
        fields = cast("dict[str, Any]", value)
        is_usual = isinstance(fields.get("data"), list | tuple) and fields["data"]
        return fields if is_usual else {**fields, "data": _items_in(fields)}


def _items_in(value: Any) -> list[Any]:
    """Return the images in a JSON value, as objects or texts that `Item` reads."""
    match value:
        case list():
            return [found for each in cast("list[Any]", value) for found in _items_in(each)]
        case dict():
            fields = cast("dict[str, Any]", value)
            if any(_text_of(fields.get(name)) for name in IMAGE_FIELDS):
                return [fields]
            return [found for name in CONTAINERS for found in _items_in(fields.get(name))]
        case str() if is_data_uri(value) or value.startswith((*BASE64_STARTS, "https://", "http://")):
            return [value]
        case str() if links := MARKDOWN_IMAGE.findall(value):
            return links
        case str() if value.lstrip().startswith(("{", "[")):  # JSON as a text, as AWS Lambda has it in `body`
            with suppress(ValueError):
                return _items_in(lenient_json(value.encode()))
            return []
        case _:
            return []


async def note_links(id: str | None, answer: BaseModel, items: Sequence[Item | None], wire: Wire) -> None:
    """Save an answer if one of its images is only behind a link."""
    if any(item and item.url and not item.b64_json for item in items):
        await wire.save_vendor_task({"id": id, "answer": answer.model_dump(mode="json")})


def noted(job: Job, shape: type[AnswerShape]) -> tuple[str | None, AnswerShape]:
    """Return the request id and the answer that `note_links` saved."""
    task = job.task or {}
    return task["id"], shape.model_validate(task["answer"])


async def images_of(
    vendor: str, items: Sequence[Item | None], wire: Wire
) -> tuple[tuple[Picture, ...], tuple[ImageError, ...]]:
    """Return the images, and an error for each that failed: one failure must not lose the others.

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
    """Return the image, or download it from its link, which is valid for a short time and needs no key."""
    if item is None:
        raise invalid_response(f"{vendor} answered with an image that cannot be read.")
    if item.b64_json:
        return await run_on_processor(_decoded, item.b64_json, item.revised_prompt)
    if not item.url:
        raise invalid_response(f"{vendor} answered without an image.")
    if item.url.startswith(BUCKET_SCHEMES):
        where = sanitize(item.url)
        raise invalid_response(f"{vendor} put the image into a bucket that Atelier cannot read: {where}.")
    try:
        image = await wire.download(item.url, progress)
        return replace(picture(image, prompt_used=item.revised_prompt), url=str(wire.resolve_link(item.url)))
    except ImageError as error:
        if error.facts.get("status", "broken") is None:  # the download itself has retried
            raise
    await anyio.sleep(DOWNLOAD_RETRY_DELAY)
    image = await wire.download(item.url, progress)
    return replace(picture(image, prompt_used=item.revised_prompt), url=str(wire.resolve_link(item.url)))


def _decoded(text: str, prompt_used: str | None) -> Picture:
    return picture(base64_bytes(text), prompt_used=prompt_used)


def losses(images: Sequence[Picture], failures: Sequence[ImageError]) -> tuple[str, ...]:
    """Return a warning about the images that failed. Raises the last failure when there is no image at all."""
    if failures and not images:
        raise failures[-1]
    count = len(images) + len(failures)
    return (f"{len(failures)} of {count} images could not be used. {failures[0].message}",) if failures else ()
