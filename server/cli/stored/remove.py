"""`atelier rm` and `atelier prune`: delete images for good."""

from __future__ import annotations

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.images.sources import ASSET, newest_asset_id
from atelier.server.cli.stored.assets import COLUMNS, Record, agrees, is_older, parse_age, records, row
from atelier.server.cli.terminal.output import UsageError, say, say_json, table
from atelier.server.composition import storage_of
from atelier.server.settings import Settings
from atelier.tools.image_answer import size_of

KEEP = "What was paid is not paid back."


def remove(images: list[str], *, yes: bool) -> int:
    """Delete images for good, with their records. Exit code 1 when one of them is not there."""
    return anyio.run(_remove, images, yes)


async def _remove(words: list[str], yes: bool) -> int:
    storage = storage_of(Settings.load())
    newest = await newest_asset_id(storage) if "last" in words else None
    if "last" in words and newest is None:
        raise ImageError(Reason.NOT_FOUND, "There is no image yet.", hint="`atelier generate` makes one.")
    ids = list(dict.fromkeys(newest if word == "last" and newest else word for word in words))
    if wrong := next((id for id in ids if not ASSET.fullmatch(id)), None):
        raise UsageError(f"“{sanitize(wrong, 60)}” is no id of an image. `atelier list` has the ids.")
    if not agrees(f"Delete {_count(len(ids))} for good? {KEEP}", yes=yes):
        return 1
    missing = [id for id in ids if not await storage.delete(id)]
    for id in ids:
        say(f"{id}  {'not found' if id in missing else 'deleted'}")
    return 1 if missing else 0


def prune(*, older_than: str | None, keep: int, dry_run: bool, yes: bool, json: bool) -> int:
    """Delete old images for good: those older than an age, or all but the newest."""
    if older_than is None and not keep:
        raise UsageError("Say what to delete: --older-than 30d, or --keep 100, or both.")
    return anyio.run(_prune, older_than, keep, dry_run, yes, json)


async def _prune(older_than: str | None, keep: int, dry_run: bool, yes: bool, as_json: bool) -> int:
    age = parse_age(older_than) if older_than else None
    storage = storage_of(Settings.load())
    every = [record async for record in records(storage)]
    old = [record for record in every[keep:] if age is None or is_older(record, age)]
    size = sum(int(record.get("bytes") or 0) for record in old)
    words = f"{_count(len(old))} of {len(every)}, {size_of(size)}"
    if dry_run and old and not as_json:
        say(table(COLUMNS, [row(record) for record in old]))
    deletes = bool(old) and not dry_run
    if deletes and not agrees(f"Delete {words} for good? {KEEP}", yes=yes):
        return 1
    for record in old if deletes else ():
        await storage.delete(str(record["id"]))
    if as_json:
        say_json({"deleted" if deletes else "would_delete": _ids(old), "bytes": size})
    else:
        say(f"{words} {'deleted' if deletes else 'would be deleted'}." if old else "Nothing to delete.")
    return 0


def _ids(found: list[Record]) -> list[str]:
    return [str(record["id"]) for record in found]


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"
