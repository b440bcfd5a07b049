"""List the newest images, within what hosts paste into a model's context."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

from pydantic import BaseModel

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.sources import ASSET

LIST_DETAILS = ((80, True), (40, True), (20, True), (20, False))
"""Characters of each prompt and whether the time is shown. A list uses the first pair with which it fits."""
MAX_DATA_BYTES = 6000  # of a list, as text and as data: hosts paste either into the model's context
UPLOAD = "upload"  # the operation in the record of an image that its caller uploaded


class ListedImage(BaseModel):
    """One image of a list."""

    id: str
    created_at: str | None = None
    prompt: str | None = None
    model: str | None = None
    actual_usd: float | None = None
    parent: str | None = None


class Page(NamedTuple):
    """A list as rows and as text."""

    summary: str
    rows: list[ListedImage]

    @property
    def text(self) -> str:
        """The list for a host that shows only the text."""
        return "\n".join([self.summary, *(_line(row) for row in self.rows)])

    @property
    def fits(self) -> bool:
        """Whether both forms are within MAX_DATA_BYTES."""
        rows = [row.model_dump(exclude_none=True) for row in self.rows]
        data = json.dumps({"summary": self.summary, "pictures": rows}, ensure_ascii=False)
        return max(len(data.encode()), len(self.text.encode())) <= MAX_DATA_BYTES


async def newest_images(storage: Storage, limit: int, before: str | None) -> Page:
    """Return the newest images that fit; the summary names the id from which to continue."""
    if before and not ASSET.fullmatch(before):
        message = f"“before” is no asset id (“{sanitize(before, 60)}”)."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give the last id of the page before.")
    records = await storage.newest(limit + 1, before)
    shown, more = records[:limit], len(records) > limit
    attempts = (_page(shown, characters, timed, more=more) for characters, timed in LIST_DETAILS)
    shorter = (_page(shown[:count], *LIST_DETAILS[-1], more=True) for count in range(len(shown) - 1, 0, -1))
    return next(page for page in chain(attempts, shorter) if page.fits or len(shown) <= 1)


def _page(records: list[Mapping[str, Any]], characters: int, timed: bool, *, more: bool) -> Page:
    rows = [
        ListedImage(
            id=str(record["id"]),
            created_at=record.get("created_at") if timed else None,
            prompt=prompt_of(record, characters),
            model=UPLOAD if record.get("operation") == UPLOAD else maker_of(record),
            actual_usd=record.get("actual_usd"),
            parent=record.get("parent"),
        )
        for record in records
    ]
    older = f" Older ones: before={rows[-1].id}." if more else ""
    return Page(
        f"{len(rows)} image{'' if len(rows) == 1 else 's'}, the newest first.{older}" if rows else "No image.", rows
    )


def _line(row: ListedImage) -> str:
    cost = "" if row.actual_usd is None else f", ${row.actual_usd:g}"
    parent = f", of {row.parent}" if row.parent else ""
    time = f" {row.created_at[:16]}Z" if row.created_at else ""
    return f"- {row.id}{time} {row.model}{cost}{parent}: “{row.prompt or ''}”"


def maker_of(record: Mapping[str, Any]) -> str:
    """Return the vendor and model that made an image."""
    return f"{record.get('provider', 'unknown')}/{record.get('model', 'unknown')}"


def prompt_of(record: Mapping[str, Any], limit: int) -> str | None:
    """Return the prompt of an image, cut to `limit` characters; None without one."""
    prompt = record.get("prompt")
    return sanitize(prompt, limit) if prompt else None
