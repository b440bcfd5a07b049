"""`atelier flush`: upload the images whose upload failed."""

from __future__ import annotations

import sys

import anyio

from atelier.server.cli.terminal.output import say, say_json
from atelier.server.settings import Settings
from atelier.server.storage.background_upload import upload_outcomes
from atelier.server.storage.caller_storages import CallerStorages


def flush(*, json: bool) -> int:
    """Upload every queued image; print a line for each, then the totals. Exit code 1 when one is still queued."""
    return anyio.run(_flush, CallerStorages(Settings.load()), json)


async def _flush(storages: CallerStorages, as_json: bool) -> int:
    uploaded, queued = list[dict[str, str]](), list[dict[str, str]]()
    async for outcome in upload_outcomes(storages.all()):
        handle = outcome.stored
        location = {"path": handle.path, "url": handle.url} if handle else {}
        location = {name: value for name, value in location.items() if value}
        if handle:
            uploaded.append({"id": outcome.id, **location})
        else:
            queued.append({"id": outcome.id, "problem": outcome.problem})
        if not as_json and handle:
            say(f"{outcome.id}  {' '.join(location.values())}")
        elif not as_json:
            say(f"{outcome.id}  still queued: {outcome.problem}", sys.stderr)
    if as_json:
        say_json({"delivered": uploaded, "waiting": queued})
    else:
        say(f"{len(uploaded)} uploaded, {len(queued)} still queued.")
    return 1 if queued else 0
