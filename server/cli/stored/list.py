"""`atelier list`: the newest images, with thumbnails where the terminal can show them."""

from __future__ import annotations

import anyio

from atelier.server.cli.stored.assets import COLUMNS, Record, row
from atelier.server.cli.terminal.images import image_protocol, shown
from atelier.server.cli.terminal.output import say, say_json, table
from atelier.server.composition import storage_of
from atelier.server.settings import Settings

THUMBNAIL_COLUMNS = 16  # of the terminal


def list_images(*, limit: int, no_thumbnails: bool, json: bool) -> int:
    """List the newest images: id, when and by which model they were made, cost and prompt."""
    return anyio.run(_list, limit, not no_thumbnails, json)


async def _list(limit: int, thumbnails: bool, as_json: bool) -> int:
    storage = storage_of(Settings.load())
    found = await storage.newest(limit)
    if as_json:
        say_json(list(map(_facts, found)))
    elif not found:
        say("No images yet. Make one: atelier generate PROMPT")
    elif thumbnails and image_protocol():
        for record in found:
            asset = await storage.get(str(record["id"]))
            if asset and (picture := shown(asset.image_bytes, THUMBNAIL_COLUMNS)):
                say(picture)
            say("  ".join(row(record)) + "\n")
    else:
        say(table(COLUMNS, [row(record) for record in found]))
    return 0


def _facts(record: Record) -> dict[str, object]:
    names = ("id", "created_at", "operation", "prompt", "provider", "model", "width", "height", "bytes", "actual_usd")
    return {name: record.get(name) for name in (*names, "parent")}
