"""The calls of a program: what they take, and the requests that are made of it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack, cast

import anyio

from atelier.providers.core.concurrency import no_progress, run_on_processor
from atelier.providers.core.errors import ImageError, Reason, error_facts
from atelier.providers.core.results import ImageResult, ResultImage
from atelier.providers.core.types import ImageRequest, Operation, Picture, Progress, ResponseFormat
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.masks import normalise_mask
from atelier.providers.images.sources import SourceImage, SourceReader, normalise_source
from atelier.providers.jobs.program_pipeline import pipeline_from_environ
from atelier.providers.jobs.waiter import JobHandle
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pricing.estimate import Estimate
from atelier.providers.transport.network.http_client import OwnTransport
from atelier.providers.transport.wire import httpx

ImageInput = bytes | Path | str | Picture | ResultImage | ImageResult
"""An image as a program names it. A text is a link, a data URI, base64 or an asset id; it may come from outside, so
that a file is named by a Path only."""


class ImageOptions(TypedDict, total=False):
    """The options of a call; absent is the model's default. They are the fields of `ImageRequest`, and:

    n                how many images                      format           the same as `output_format`
    response_format  binary, base64 or url; see `ImageResult.contents`
    timeout          seconds for one vendor call          request_id       an id of the caller's, for the result
    on_progress      awaited with a word on how far the call is
    """

    model: str | None
    n: int
    size: str | None
    aspect_ratio: str | None
    resolution: str | None
    quality: str | None
    style: str | None
    background: str | None
    format: str | None
    output_format: str | None
    compression: int | None
    negative_prompt: str | None
    seed: int | None
    strength: float | None
    options: Mapping[str, Any] | None
    response_format: ResponseFormat | None
    timeout: float | None
    request_id: str | None
    on_progress: Progress | None


class ImageCalls(ABC):
    """The calls of a program, over a service that submits requests. Each raises ImageError."""

    pipeline: Pipeline

    @abstractmethod
    def __init__(self, pipeline: Pipeline, *, wait: float | None = ...) -> None: ...

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        storage: Storage | None = None,
        transport: OwnTransport | None = None,
        timeout: float = 300.0,
    ) -> Self:
        """Return the service of a program, with the keys and the budget of its environment; see `Pipeline`."""
        given = os.environ if environ is None else environ
        return cls(pipeline_from_environ(given, storage=storage, transport=transport, timeout=timeout), wait=None)

    @abstractmethod
    async def submit(self, request: ImageRequest, *, on_progress: Progress = ...) -> ImageResult | JobHandle:
        """Make the images of a request."""

    @abstractmethod
    def with_wait(self, wait: float) -> Self:
        """Return the service with a wait limit of `wait` seconds."""

    @abstractmethod
    def mark_delivered(self, job: str) -> None:
        """Record that the caller has the result."""

    async def generate(self, prompt: str, **options: Unpack[ImageOptions]) -> ImageResult:
        """Make images from a prompt."""
        return await self._call(Operation.GENERATE, prompt, (), None, options)

    async def edit(
        self,
        image: ImageInput | Sequence[ImageInput],
        prompt: str = "",
        *,
        mask: ImageInput | None = None,
        operation: str | None = None,
        **options: Unpack[ImageOptions],
    ) -> ImageResult:
        """Change an image. `operation` is a value of `Operation`: by default edit, or inpaint where there is a mask."""
        word = _operation(operation, edits=True, masked=mask is not None)
        return await self._call(word, prompt, image, mask, options)

    async def vary(self, image: ImageInput, prompt: str = "", **options: Unpack[ImageOptions]) -> ImageResult:
        """Make variations of an image."""
        return await self._call(Operation.VARIATION, prompt, image, None, options)

    async def upscale(self, image: ImageInput, prompt: str = "", **options: Unpack[ImageOptions]) -> ImageResult:
        """Make an image larger."""
        return await self._call(Operation.UPSCALE, prompt, image, None, options)

    async def estimate(
        self,
        prompt: str = "",
        *,
        image: ImageInput | Sequence[ImageInput] = (),
        mask: ImageInput | None = None,
        operation: str | None = None,
        **options: Unpack[ImageOptions],
    ) -> Estimate | None:
        """Return the price of a call without making it; None where no price is known."""
        word = _operation(operation, edits=image != (), masked=mask is not None)
        priced = self.pipeline.admit(await self._request(word, prompt, image, mask, options))
        return (await self.pipeline.with_quote(priced)).estimate

    async def prepare(
        self,
        prompt: str = "",
        *,
        image: ImageInput | Sequence[ImageInput] = (),
        mask: ImageInput | None = None,
        operation: str | None = None,
        **options: Unpack[ImageOptions],
    ) -> httpx.Request:
        """Return the first request that a call would send. It has no key, and needs none."""
        word = _operation(operation, edits=image != (), masked=mask is not None)
        return self.pipeline.prepare(await self._request(word, prompt, image, mask, options))

    async def _call(
        self,
        operation: Operation,
        prompt: str,
        images: ImageInput | Sequence[ImageInput],
        mask: ImageInput | None,
        options: ImageOptions,
    ) -> ImageResult:
        request_id, on_progress = options.get("request_id"), options.get("on_progress") or no_progress
        with error_facts(caller_request_id=request_id):
            request = await self._request(operation, prompt, images, mask, options)
            result = await self.with_wait(float("inf")).submit(request, on_progress=on_progress)
        assert isinstance(result, ImageResult), "the wait is without a limit"
        self.mark_delivered(result.id)
        return replace(result, request_id=request_id, response_format=request.response_format or "binary")

    async def _request(
        self,
        operation: Operation,
        prompt: str,
        images: ImageInput | Sequence[ImageInput],
        mask: ImageInput | None,
        options: ImageOptions,
    ) -> ImageRequest:
        """Return the request of a call. Raises ImageError for an image that cannot be read."""
        fields: dict[str, Any] = {name: value for name, value in options.items() if name not in CALL_OPTIONS}
        if (format := options.get("format")) is not None:
            fields["output_format"] = format
        sources = [await _read(self.pipeline.sources, each) for each in _listed(images)]
        marked = await _read(self.pipeline.sources, mask) if mask is not None else None
        fields |= {
            "operation": operation,
            "prompt": prompt,
            "count": options.get("n", 1),
            "options": dict(options.get("options") or {}),
            "sources": tuple(source.picture for source in sources),
            "mask": await run_on_processor(normalise_mask, marked.picture.image_bytes) if marked else None,
            "parent": sources[0].id if sources else None,
            "origin": sources[0].provider if sources else None,
            "vendor_image": sources[0].vendor_image if sources else None,
        }
        return ImageRequest(**fields)


CALL_OPTIONS = ("n", "format", "options", "request_id", "on_progress")
"""Options that are no field of ImageRequest, or of another name or kind."""


def _operation(word: str | None, *, edits: bool, masked: bool) -> Operation:
    """Return the operation of that name, or what the images mean. Raises invalid_request."""
    if word is None:
        return Operation.INPAINT if masked else Operation.EDIT if edits else Operation.GENERATE
    try:
        return Operation(word)
    except ValueError:
        hint = f"Give one of {', '.join(Operation)}."
        raise ImageError(Reason.INVALID_REQUEST, "There is no operation of that name.", hint=hint) from None


def _listed(images: ImageInput | Sequence[ImageInput]) -> Sequence[ImageInput]:
    return images if isinstance(images, list | tuple) else (cast("ImageInput", images),)


async def _read(sources: SourceReader, image: ImageInput) -> SourceImage:
    """Return a source image. Raises invalid_request or not_found."""
    match image:
        case str():
            return await sources.read(image)
        case ImageResult():
            found, vendor_image = await _read(sources, image.images[0]), image.images[0].picture.vendor_image
            return replace(found, provider=image.provider, vendor_image=vendor_image) if vendor_image else found
        case Path():
            data, id, name = await _file(image), None, image.name
        case ResultImage():
            data, id, name = image.image_bytes, image.stored and image.stored.id, ""
        case Picture():
            data, id, name = image.image_bytes, None, image.name
        case _:
            data, id, name = bytes(image), None, ""
    picture = await run_on_processor(normalise_source, data, sources.limits)
    return SourceImage(replace(picture, name=name), id)


async def _file(path: Path) -> bytes:
    try:
        return await anyio.Path(path).read_bytes()
    except OSError as error:
        message = f"The image {path.name} cannot be read: {error.strerror}."
        raise ImageError(Reason.NOT_FOUND, message, hint="Check the path.") from None
