"""`atelier flush`: upload the pictures that are queued on this machine because their storage did not accept them."""

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
from atelier.server.observability.logs import log
from atelier.server.settings import Settings
from atelier.server.storage.caller_storages import CallerStorages
from atelier.server.storage.upload_queue import Flushed, UploadQueue

FLUSH_INTERVAL = 60.0  # seconds between two flushes by a server


def flush(options: argparse.Namespace) -> int:
    """Upload every queued picture; print a line for each, then the totals. Exit code 1 when one is still queued."""
    return anyio.run(_flush, CallerStorages(Settings.load()), options.json)


async def _flush(storages: CallerStorages, as_json: bool) -> int:
    delivered, waiting = list[dict[str, str]](), list[dict[str, str]]()
    async for flushed in _each(storages.all()):
        where = {"path": flushed.stored.path, "url": flushed.stored.url} if flushed.stored else {}
        location = {name: value for name, value in where.items() if value}
        if flushed.stored:
            delivered.append({"id": flushed.id, **location})
        else:
            waiting.append({"id": flushed.id, "problem": flushed.problem})
        if not as_json and flushed.stored:
            say(f"{flushed.id}  {' '.join(location.values())}")
        elif not as_json:
            say(f"{flushed.id}  still waits: {flushed.problem}", sys.stderr)
    if as_json:
        say(json.dumps({"delivered": delivered, "waiting": waiting}, ensure_ascii=False))
    else:
        say(f"{len(delivered)} delivered, {len(waiting)} still waiting.")
    return 1 if waiting else 0


async def flushing(storages: CallerStorages) -> None:
    """Upload queued pictures in the background of a server, at its start and every FLUSH_INTERVAL."""
    while True:
        try:
            await flushed(*await anyio.to_thread.run_sync(storages.all))
        except ImageError as error:
            log.warning("upload queue unreadable", extra={"facts": {"problem": error.message}})
        await anyio.sleep(FLUSH_INTERVAL)


async def flushed(*storages: UploadQueue) -> None:
    """Upload the pictures of these queues once, and log the outcome if there were any."""
    delivered, problems = 0, list[str]()
    try:
        async for one in _each(storages):
            delivered += bool(one.stored)
            problems += [] if one.stored else [f"{one.id}: {one.problem}"]
    except ImageError as error:
        problems.append(error.message)
    if delivered or problems:
        facts = {"delivered": delivered, "waiting": len(problems), "problem": next(iter(problems), None)}
        log.log(logging.WARNING if problems else logging.INFO, "uploaded queued pictures", extra={"facts": facts})


async def _each(storages: Sequence[UploadQueue]) -> AsyncGenerator[Flushed]:
    """Yield the outcome of every queued picture."""
    for queue in storages:
        async for one in queue.flush():
            yield one


def declare(commands: Any) -> None:
    """`atelier flush`"""
    parser = commands.add_parser("flush", help="upload pictures that are queued for their storage", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.set_defaults(run=flush)
