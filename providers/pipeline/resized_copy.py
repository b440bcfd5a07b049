"""After a picture is kept: the copy that somebody wanted in a size of their own, kept beside it as its child."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError
from atelier.providers.core.ids import new_id
from atelier.providers.core.sizes import ResizeSpec
from atelier.providers.core.types import AssetHandle, Picture, ResultImage
from atelier.providers.images.provenance import embed_facts
from atelier.providers.images.resize import KB, resized_copy

Put = Callable[[str, Picture, Mapping[str, Any]], Awaitable[AssetHandle]]
"""How a storage keeps a picture."""

LOST = "The copy does not bear the maker's C2PA manifest, which holds for the original only."


async def with_copy(
    image: ResultImage, record: Mapping[str, Any], delivery: ResizeSpec, put: Put
) -> tuple[ResultImage, list[str]]:
    """A kept picture with its copy, and what to say of it. Without a copy it stays as it is: it is paid for."""
    if image.stored is None:
        return image, ["No copy was made, because the picture could not be stored."]
    try:
        copy = await anyio.to_thread.run_sync(resized_copy, image.picture, delivery)
        copy, copy_record = await anyio.to_thread.run_sync(_with_facts, copy, _record(record, copy, delivery), delivery)
        stored = await put(copy_record["id"], copy, copy_record)
    except ImageError as error:
        return image, [f"No copy was delivered: {error.message} {error.hint}".strip()]
    warnings = [stored.warning] if stored.warning else []
    if copy.format != image.picture.format:
        warnings.append(f"The copy is a {copy.format}: a {image.picture.format} does not fit.")
    return replace(image, copy=ResultImage(copy, stored)), [*warnings, *([LOST] if record.get("c2pa") else [])]


def _with_facts(copy: Picture, record: dict[str, Any], delivery: ResizeSpec) -> tuple[Picture, dict[str, Any]]:
    """Embed the facts in the copy, unless it would then be larger than it may."""
    marked, marked_record = embed_facts(copy, record)
    if delivery.max_kb is None or marked_record["bytes"] <= delivery.max_kb * KB:
        return marked, marked_record
    return copy, {**record, "bytes": len(copy.image_bytes), "c2pa": False, "embedded": False}


def _record(record: Mapping[str, Any], copy: Picture, delivery: ResizeSpec) -> dict[str, Any]:
    """The record of a copy: made of the same prompt, by nobody that is paid for it."""
    asked = {"deliver_size": delivery.words, "deliver_fit": delivery.fit, "deliver_max_kb": delivery.max_kb}
    return {
        **record,
        "id": new_id("img"),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "operation": "deliver",
        "asked": {name: value for name, value in asked.items() if value is not None},
        "width": copy.width,
        "height": copy.height,
        "mime": copy.mime,
        "estimated_usd": None,
        "actual_usd": 0.0,
        "usage": None,
        "parent": record["id"],
    }
