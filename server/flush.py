"""`atelier flush`: deliver the pictures that wait on this machine because their storage did not take them."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError
from atelier.server.assembly import storage_of
from atelier.server.logs import log
from atelier.server.settings import Settings
from atelier.server.storage.spool import Spool
from atelier.server.terminal import say


def flush(options: argparse.Namespace) -> int:
    """Deliver what waits; one line a picture, then the totals. Exit code 1 when something still waits."""
    return anyio.run(_flush, storage_of(Settings.from_environ()), options.json)


async def _flush(storage: Spool, as_json: bool) -> int:
    delivered, waiting = list[dict[str, str]](), list[dict[str, str]]()
    async for flushed in storage.flush():
        where = {"path": flushed.stored.path, "url": flushed.stored.url} if flushed.stored else {}
        told = {name: value for name, value in where.items() if value}
        if flushed.stored:
            delivered.append({"id": flushed.id, **told})
        else:
            waiting.append({"id": flushed.id, "problem": flushed.problem})
        if not as_json and flushed.stored:
            say(f"{flushed.id}  {' '.join(told.values())}")
        elif not as_json:
            say(f"{flushed.id}  still waits: {flushed.problem}", sys.stderr)
    if as_json:
        say(json.dumps({"delivered": delivered, "waiting": waiting}, ensure_ascii=False))
    else:
        say(f"{len(delivered)} delivered, {len(waiting)} still waiting.")
    return 1 if waiting else 0


async def flushed(storage: Spool) -> None:
    """The same in the background of a server that has just started. It fails into the log."""
    try:
        async for one in storage.flush():
            if one.stored:
                log.info("delivered what waited", extra={"facts": {"picture": one.id}})
            else:
                log.warning("still waiting", extra={"facts": {"picture": one.id, "problem": one.problem}})
    except ImageError as error:
        log.warning("what waits could not be read", extra={"facts": {"problem": error.message}})


def declare(commands: Any) -> None:
    """`atelier flush`"""
    parser = commands.add_parser("flush", help="deliver pictures that wait for their storage", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(run=flush)
