"""Store a resized copy beside an image, as its child, in the size that the caller requested."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError
from atelier.providers.core.ids import new_id
from atelier.providers.core.results import AssetHandle, ResultImage
from atelier.providers.core.sizes import ResizeSpec
from atelier.providers.core.types import Picture
from atelier.providers.images.provenance import embed_facts
from atelier.providers.images.resize import KB, resized_copy

Put = Callable[[str, Picture, Mapping[str, Any]], Awaitable[AssetHandle]]
"""`Storage.put`."""

NO_C2PA = "The resized copy has no C2PA manifest: the original's signature does not cover it."


async def with_copy(
    image: ResultImage, record: Mapping[str, Any], resize: ResizeSpec, put: Put
) -> tuple[ResultImage, list[str]]:
    """Return a stored image with its copy, and warnings. If the copy fails the image is returned without one."""
    if image.stored is None:
        return image, ["No resized copy was made, because the image could not be stored."]
    try:
        copy, warnings = await store_copy(image.picture, record, resize, put)
    except ImageError as error:
        return image, [f"No resized copy was made: {error.message} {error.hint}".strip()]
    return replace(image, copy=copy), warnings


async def store_copy(
    picture: Picture, record: Mapping[str, Any], resize: ResizeSpec, put: Put
) -> tuple[ResultImage, list[str]]:
    """Store a copy of a stored image and return it with warnings. Raises invalid_request and storage_failed."""
    copy = await run_on_processor(resized_copy, picture, resize)
    copy, copy_record = await run_on_processor(_with_facts, copy, _record(record, copy, resize), resize)
    stored = await put(copy_record["id"], copy, copy_record)
    warnings = [stored.warning] if stored.warning else []
    if copy.format != (resize.format or picture.format):
        warnings.append(f"The copy is a {copy.format}: a {picture.format} does not fit.")
    return ResultImage(copy, stored), [*warnings, *([NO_C2PA] if record.get("c2pa") else [])]


def _with_facts(copy: Picture, record: dict[str, Any], resize: ResizeSpec) -> tuple[Picture, dict[str, Any]]:
    """Embed the record in the copy if the size limit allows it."""
    marked, marked_record = embed_facts(copy, record)
    if resize.max_kb is None or marked_record["bytes"] <= resize.max_kb * KB:
        return marked, marked_record
    return copy, {**record, "bytes": len(copy.image_bytes), "c2pa": False, "embedded": False}


def _record(record: Mapping[str, Any], copy: Picture, resize: ResizeSpec) -> dict[str, Any]:
    """Return the record of a copy, which costs nothing."""
    options = {
        "deliver_size": resize.words,
        "deliver_fit": resize.fit,
        "deliver_max_kb": resize.max_kb,
        "crop": list(resize.box) if resize.box else None,
        "output_format": resize.format,
    }
    return {
        **record,
        "id": new_id("img"),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "operation": "deliver",
        "asked": {name: value for name, value in options.items() if value is not None},
        "width": copy.width,
        "height": copy.height,
        "mime": copy.mime,
        "estimated_usd": None,
        "actual_usd": 0.0,
        "usage": None,
        "parent": record["id"],
    }
