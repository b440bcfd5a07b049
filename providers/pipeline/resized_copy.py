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
    kept: ResultImage, record: Mapping[str, Any], wanted: ResizeSpec, put: Put
) -> tuple[ResultImage, list[str]]:
    """A kept picture with its copy, and what to say of it. Without a copy it stays as it is: it is paid for."""
    if kept.stored is None:
        return kept, ["No copy was made, because the picture could not be stored."]
    try:
        copy = await anyio.to_thread.run_sync(resized_copy, kept.picture, wanted)
        copy, told = await anyio.to_thread.run_sync(_marked, copy, _record(record, copy, wanted), wanted)
        stored = await put(told["id"], copy, told)
    except ImageError as error:
        return kept, [f"No copy was delivered: {error.message} {error.hint}".strip()]
    said = [stored.warning] if stored.warning else []
    if copy.format != kept.picture.format:
        said.append(f"The copy is a {copy.format}: a {kept.picture.format} does not fit.")
    return replace(kept, copy=ResultImage(copy, stored)), [*said, *([LOST] if record.get("c2pa") else [])]


def _marked(copy: Picture, record: dict[str, Any], wanted: ResizeSpec) -> tuple[Picture, dict[str, Any]]:
    """The copy with its facts in it, unless it would then be larger than it may."""
    marked, told = embed_facts(copy, record)
    if wanted.max_kb is None or told["bytes"] <= wanted.max_kb * KB:
        return marked, told
    return copy, {**record, "bytes": len(copy.image_bytes), "c2pa": False, "embedded": False}


def _record(record: Mapping[str, Any], copy: Picture, wanted: ResizeSpec) -> dict[str, Any]:
    """The record of a copy: made of the same prompt, by nobody that is paid for it."""
    asked = {"deliver_size": wanted.words, "deliver_fit": wanted.fit, "deliver_max_kb": wanted.max_kb}
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
