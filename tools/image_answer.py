"""How a result is told: in words for whoever reads text, in data for whoever reads JSON. Each is complete alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from atelier.providers.core.types import ImageResult, ResultImage, Usage
from atelier.providers.jobs.service import JobHandle
from atelier.providers.pipeline.quotes import usd as plain_usd
from atelier.providers.pipeline.settle import request_ids
from atelier.tools.tool import ANSWER_BUDGET, Answer, Output


class CopyData(BaseModel):
    """The copy of a picture in the size that was asked for."""

    id: str | None = None
    path: str | None = None
    url: str | None = None
    mime: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None


class ImageData(BaseModel):
    """One picture. `id` and `path` (on the server's machine) are absent when it was handed over instead of stored.

    `preview_path` is a small JPEG of it, `delivered` the copy in the size that was asked for.
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


class Drawn(Output):
    """Pictures that are ready, or the job that makes them. `folder` is where the files are whose paths are too long."""

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


def told(result: ImageResult) -> Answer:
    """The answer to a drawing call."""
    images = [image_data(kept) for kept in result.images]
    fate, brief = FATES[_fate(result)]
    lines = [
        result.notice,
        *_ready(images),
        *_where(images),
        f"Model: {result.provider}/{result.model} · {_cost(result)}",
        *(f"Note: {warning}" for warning in result.warnings),
        fate,
    ]
    sizes = ", ".join(dict.fromkeys(_size(image) for image in images))
    data = Drawn(
        summary=f"{result.notice} {_count(len(images))}, {sizes}; {brief}.".strip(),
        images=images,
        provider=result.provider,
        model=result.model,
        estimated_usd=_float(result.estimated_usd),
        actual_usd=_float(result.actual_usd),
        usage=_usage(result.usage),
        request_id=_request_id(result),
        warnings=list(result.warnings) or None,
    )
    return Answer(text="\n".join(line for line in lines if line), data=data, pictures=result.images, job=result.id)


def _usage(usage: Usage | None) -> UsageData | None:
    return usage and UsageData(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)


def _request_id(result: ImageResult) -> str | None:
    """The vendor's id of the request; of several the first."""
    ids = request_ids(result.details)
    return ids[0] if ids else None


def told_running(running: JobHandle) -> Answer:
    """The answer to a drawing call that takes longer than hosts wait."""
    summary = (
        f"Still at work: {running.latest} Call get_image with id {running.id}, or the same call again, to collect it; "
        "it is not paid for again."
    )
    data = Drawn(
        status="running",
        summary=summary,
        images=[],
        job=running.id,
        provider=running.provider,
        model=running.model,
        estimated_usd=_float(running.estimated_usd),
    )
    return Answer(text=f"{summary}\nModel: {running.provider}/{running.model}", data=data)


FATES = {
    "stored": (
        "Show the user the path or link. Only a small preview is attached; if you cannot see it, do not describe it.",
        "show the user the path or link",
    ),
    "handed over": (
        "What is attached is the full size; it was not stored.",
        "attached to this answer, not stored",
    ),
    "preview only": (
        "The full picture is too large to attach and could not be stored; only its preview is attached.",
        "not stored and too large to attach",
    ),
}
"""What became of the pictures -> the closing line of the text, and the same in brief."""


def _cost(result: ImageResult) -> str:
    """What it cost, beside what was expected."""
    if result.actual_usd is None:
        return "cost not known" + (f", about {usd(result.estimated_usd)}" if result.estimated_usd is not None else "")
    expected = result.estimated_usd if result.estimated_usd != result.actual_usd else None
    return f"cost {usd(result.actual_usd)}" + (f" (estimated {usd(expected)})" if expected is not None else "")


def _fate(result: ImageResult) -> str:
    loose = [kept for kept in result.images if kept.stored is None]
    if not loose:
        return "stored"
    return "handed over" if handed_over(result.images) else "preview only"


def handed_over(images: tuple[ResultImage, ...]) -> bool:
    """Whether the pictures without a handle fit into the answer whole."""
    return sum(len(kept.image_bytes) for kept in images if kept.stored is None) <= ANSWER_BUDGET


def usd(amount: Decimal) -> str:
    """`$0.04`, or as many digits as a small amount needs."""
    return plain_usd(amount) if amount else "$0 (free)"


def size_of(count: int) -> str:
    """Bytes for people: `1.9 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _ready(images: list[ImageData]) -> list[str]:
    sizes = [f"{i.width}×{i.height} {_format(i)}, {size_of(i.bytes or 0)}" for i in images]
    return [f"{_count(len(images))} ready ({'; '.join(sizes)})."]


def _where(images: list[ImageData]) -> list[str]:
    lines = list[str]()
    for image in images:
        lines += [f"[Open full size]({image.url})"] if image.url else []
        lines += [f"File: {image.path}"] if image.path else []
        lines += [f"Asset id: {image.id} (pass it as `image` to edit_image)"] if image.id else []
        if copy := image.delivered:
            lines.append(f"Delivered copy: {_shape(copy)}, {size_of(copy.bytes or 0)} (native {_shape(image)})")
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


def image_data(kept: ResultImage) -> ImageData:
    copy = CopyData(**_facts(kept.copy)) if kept.copy else None
    return ImageData(**_facts(kept), delivered=copy)


def _facts(kept: ResultImage) -> dict[str, Any]:
    picture, stored = kept.picture, kept.stored
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
