"""`atelier flush`: deliver the pictures that wait on this machine because their storage did not take them."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError
from atelier.server.cli.output import say
from atelier.server.logs import log
from atelier.server.settings import Settings
from atelier.server.storage.caller_storages import CallerStorages
from atelier.server.storage.upload_queue import Flushed, UploadQueue

AGAIN = 60.0  # seconds between two rounds of a server


def flush(options: argparse.Namespace) -> int:
    """Deliver what waits for anyone; one line a picture, then the totals. Exit code 1 when something still waits."""
    return anyio.run(_flush, CallerStorages(Settings.load()), options.json)


async def _flush(spools: CallerStorages, as_json: bool) -> int:
    delivered, waiting = list[dict[str, str]](), list[dict[str, str]]()
    async for flushed in _each(spools.all()):
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


async def flushing(spools: CallerStorages) -> None:
    """The same in the background of a server: when it has started, and every minute after that."""
    while True:
        try:
            await flushed(*await anyio.to_thread.run_sync(spools.all))
        except ImageError as error:
            log.warning("what waits could not be read", extra={"facts": {"problem": error.message}})
        await anyio.sleep(AGAIN)


async def flushed(*spools: UploadQueue) -> None:
    """One round, with a line in the log if anything waited."""
    delivered, problems = 0, list[str]()
    try:
        async for one in _each(spools):
            delivered += bool(one.stored)
            problems += [] if one.stored else [f"{one.id}: {one.problem}"]
    except ImageError as error:
        problems.append(error.message)
    if delivered or problems:
        facts = {"delivered": delivered, "waiting": len(problems), "problem": next(iter(problems), None)}
        log.log(logging.WARNING if problems else logging.INFO, "waiting pictures", extra={"facts": facts})


async def _each(spools: Sequence[UploadQueue]) -> AsyncGenerator[Flushed]:
    """What becomes of all that waits."""
    for spool in spools:
        async for one in spool.flush():
            yield one


def declare(commands: Any) -> None:
    """`atelier flush`"""
    parser = commands.add_parser("flush", help="deliver pictures that wait for their storage", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(run=flush)
