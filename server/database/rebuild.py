"""Restore the ledger from the records of stored images, for a database that was lost.

A record has the whole cost of its vendor call, so one image of a call is enough. Calls that were billed without an
image are not restored: nothing but the database knew of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from atelier.providers.images.asset_storage import Storage

PAGE = 200  # records that are read at once


def calls_of(records: Iterable[Mapping[str, Any]], folder: str) -> Iterator[dict[str, Any]]:
    """Yield a settled row of `vendor_calls` for each call that made one of the images.

    `folder` names the caller of records that do not, which earlier versions wrote.
    """
    images: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        if record.get("call") and record.get("operation") != "deliver":  # a resized copy costs nothing
            images.setdefault(str(record["call"]), []).append(record)
    for id, made in images.items():
        record, cost = made[0], made[0].get("call_usd")
        usd = None if cost is None else Decimal(str(cost))
        if usd == 0:
            continue  # a free job has no rows
        created = datetime.fromisoformat(str(record["created_at"])).astimezone(UTC)
        yield {
            "id": id,
            "job_id": str(record["job"]),
            "caller": str(record.get("caller") or folder),
            "provider": str(record["provider"]),
            "model": str(record["model"]),
            "operation": str(record["operation"]),
            "image_count": len(made),
            "day": created.date().isoformat(),
            "reserved_usd": usd,
            "spent_usd": usd,
            "settled_at": created,
        }


async def records_in(storage: Storage) -> list[Mapping[str, Any]]:
    """Return the records of every image in a storage, the newest first. Raises storage_failed."""
    found = list[Mapping[str, Any]]()
    while True:
        page = await storage.newest(PAGE, str(found[-1]["id"]) if found else None)
        found += page
        if len(page) < PAGE:
            return found
