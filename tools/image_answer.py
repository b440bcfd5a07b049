"""Format a result as the answer of a tool: text and structured data, each complete without the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from atelier.providers.core.results import ImageResult, ResultImage
from atelier.providers.jobs.service import JobHandle
from atelier.providers.pricing.price_parts import usd as plain_usd
from atelier.tools.tool import ANSWER_BUDGET, Answer, Output

PREVIEW_ATTACHED = "Only a small preview is attached; if you cannot see it, do not describe it."
NO_PREVIEW = "No preview is attached: do not describe the image."

_CLOSINGS = {
    "stored": (
        f"Show the user the path or link. {PREVIEW_ATTACHED}",
        "show the user the path or link",
    ),
    "both": (
        "Show the user the path or link. What is attached is the full size.",
        "show the user the path or link; the full size is attached",
    ),
    "inline": (
        "What is attached is the full size; it was not stored.",
        "attached to this answer, not stored",
    ),
    "preview only": (
        "The full image is too large to attach and could not be stored; only its preview is attached.",
        "not stored and too large to attach",
    ),
}
"""Where the images are -> the closing line of the text, and the same for the summary."""


class CopyData(BaseModel):
    """The resized copy of a picture."""

    id: str | None = None
    path: str | None = None
    url: str | None = None
    mime: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None


class ImageData(BaseModel):
    """One picture. `id` and `path` (on the server's machine) are absent when it was returned inline.

    `preview_path` is a small JPEG of it, `delivered` its resized copy.
    """

    id: str | None = None
    path: str | None = None
    url: str | None = None
    preview_path: str | None = None
    mime: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    delivered: CopyData | None = None


class UsageData(BaseModel):
    """Tokens as the vendor counted them."""

    input_tokens: int | None = None
    output_tokens: int | None = None


class ImageOutput(Output):
    """Finished pictures, or the job that makes them. `folder` is the common folder when the full paths are too long."""

    status: Literal["done", "running"] = "done"
    summary: str
    job: str | None = None
    images: list[ImageData]
    folder: str | None = None
    provider: str
    model: str
    estimated_usd: float | None = None
    actual_usd: float | None = None
    usage: UsageData | None = None
    request_id: str | None = None
    warnings: list[str] | None = None


def format_result(result: ImageResult, inline_limit: int = ANSWER_BUDGET, *, whole: bool = False) -> Answer:
    """Return the answer of a call whose job has completed.

    Inline images are attached and have no id or path. `whole` attaches stored ones, if `inline_limit` bytes suffice.
    """
    if result.inline:
        result = _without_storage(result)
    images = [image_data(image) for image in result.images]
    whole = whole and bytes_of(result.images) <= inline_limit
    usage = result.usage
    fate, brief = closing_lines(result.images, inline_limit, whole=whole)
    lines = [
        result.notice,
        f"{_count(len(images))} ready ({'; '.join(f'{_shape(i)}, {size_of(i.bytes or 0)}' for i in images)}).",
        *_where(images),
        f"Model: {result.provider}/{result.model} · {_cost(result)}",
        *(f"Note: {warning}" for warning in result.warnings),
        fate,
    ]
    sizes = ", ".join(dict.fromkeys(_size(image) for image in images))
    data = ImageOutput(
        summary=f"{result.notice} {_count(len(images))}, {sizes}; {brief}.".strip(),
        images=images,
        provider=result.provider,
        model=result.model,
        estimated_usd=_float(result.estimated_usd),
        actual_usd=_float(result.actual_usd),
        usage=usage and UsageData(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens),
        request_id=result.details.get("request_ids", [result.details.get("request_id")])[0] or None,
        warnings=list(result.warnings) or None,
    )
    return Answer(
        text="\n".join(line for line in lines if line),
        data=data,
        pictures=result.images,
        jobs=(result.id,),
        notice=result.notice,
        whole=whole,
        inline_limit=inline_limit,
        usage=usage,
        inline=result.inline,
    )


def closing_lines(images: Sequence[ResultImage], inline_limit: int, *, whole: bool) -> tuple[str, str]:
    """Return the closing line of the text, and the words for the summary. `whole`: stored ones are attached."""
    if all(image.stored for image in images):
        return _CLOSINGS["both" if whole else "stored"]
    return _CLOSINGS["inline" if is_inline(images, inline_limit) else "preview only"]


def is_inline(images: Sequence[ResultImage], inline_limit: int) -> bool:
    """Return whether the images that are not stored fit into the answer in full size."""
    return bytes_of([image for image in images if image.stored is None]) <= inline_limit


def bytes_of(images: Sequence[ResultImage]) -> int:
    """Return the size of the images together."""
    return sum(len(image.picture.image_bytes) for image in images)


def _without_storage(result: ImageResult) -> ImageResult:
    """Return the result without where its images are stored until the answer is delivered, and warnings about that."""
    about = {image.stored.warning for image in result.images if image.stored}
    return replace(
        result,
        images=tuple(ResultImage(image.picture) for image in result.images),
        warnings=tuple(warning for warning in result.warnings if warning not in about),
    )


def format_handle(running: JobHandle, output_path: str | None = None) -> Answer:
    """Return the answer of a call whose job still runs when the wait limit passes."""
    summary = (
        f"Still running: {running.latest} {running.time_line} Call get_image with id {running.id}, or the same call "
        "again, to collect it; it is not paid for again."
    )
    data = ImageOutput(
        status="running",
        summary=summary,
        images=[],
        job=running.id,
        provider=running.provider,
        model=running.model,
        estimated_usd=_float(running.estimated_usd),
    )
    answer = Answer(text=f"{summary}\nModel: {running.provider}/{running.model}", data=data)
    return answer.with_note("Give output_path to get_image to have the file written.") if output_path else answer


def _cost(result: ImageResult) -> str:
    """Return the actual cost, with the estimate when it differs."""
    if result.actual_usd is None:
        return "cost not known" + (f", about {usd(result.estimated_usd)}" if result.estimated_usd is not None else "")
    expected = result.estimated_usd if result.estimated_usd != result.actual_usd else None
    return f"cost {usd(result.actual_usd)}" + (f" (estimated {usd(expected)})" if expected is not None else "")


def usd(amount: Decimal) -> str:
    """Return the amount as `$0.04`, a small one with as many digits as it needs."""
    return plain_usd(amount) if amount else "$0 (free)"


def size_of(count: int) -> str:
    """Return a number of bytes as `1.9 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _where(images: list[ImageData]) -> list[str]:
    lines = list[str]()
    for image in images:
        lines += [f"[Open full size]({image.url})"] if image.url else []
        lines += [f"File: {image.path}"] if image.path else []
        lines += [f"Asset id: {image.id} (pass it as `image` to edit_image)"] if image.id else []
        if copy := image.delivered:
            lines.append(f"Resized copy: {_shape(copy)}, {size_of(copy.bytes or 0)} (original {_shape(image)})")
            lines += [f"[Open copy]({copy.url})"] if copy.url else []
            lines += [f"File of the copy: {copy.path}"] if copy.path else []
            lines += [f"Asset id of the copy: {copy.id}"] if copy.id else []
    return lines


def _size(image: ImageData) -> str:
    native = f"{image.width}x{image.height} {_format(image)}"
    copy = image.delivered
    return f"{native} delivered as {copy.width}x{copy.height} {_format(copy)}" if copy else native


def _shape(image: ImageData | CopyData) -> str:
    return f"{image.width}×{image.height} {_format(image)}"


def image_data(image: ResultImage) -> ImageData:
    """Return an image as data, with its copy."""
    copy = CopyData(**_facts(image.copy)) if image.copy else None
    return ImageData(**_facts(image), delivered=copy)


def _facts(image: ResultImage) -> dict[str, Any]:
    picture, stored = image.picture, image.stored
    return {
        "id": stored.id if stored else None,
        "path": stored.path if stored else None,
        "url": stored.url if stored else None,
        "mime": picture.mime,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(picture.image_bytes),
    }


def _count(number: int) -> str:
    return f"{number} image{'' if number == 1 else 's'}"


def _format(image: ImageData | CopyData) -> str:
    return (image.mime or "").removeprefix("image/").upper()


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(round(amount, 6))
