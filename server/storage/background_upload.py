"""Upload queued images in the background of a server, at its start and every UPLOAD_INTERVAL."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence

import anyio

from atelier.providers.core.errors import ImageError
from atelier.server.observability.logs import log
from atelier.server.storage.caller_storages import CallerStorages
from atelier.server.storage.upload_queue import UploadOutcome, UploadQueue

UPLOAD_INTERVAL = 60.0  # seconds between two rounds of a server


async def upload_periodically(storages: CallerStorages) -> None:
    """Upload the queued images of every caller until cancelled."""
    while True:
        try:
            await upload_once(*await anyio.to_thread.run_sync(storages.all))
        except ImageError as error:
            log.warning("upload queue unreadable", extra={"facts": {"problem": error.message}})
        await anyio.sleep(UPLOAD_INTERVAL)


async def upload_once(*queues: UploadQueue) -> None:
    """Upload the images of these queues once, and log the outcome if there were any."""
    uploaded, problems = 0, list[str]()
    try:
        async for outcome in upload_outcomes(queues):
            uploaded += bool(outcome.stored)
            problems += [] if outcome.stored else [f"{outcome.id}: {outcome.problem}"]
    except ImageError as error:
        problems.append(error.message)
    if uploaded or problems:
        facts = {"uploaded": uploaded, "queued": len(problems), "problem": next(iter(problems), None)}
        log.log(logging.WARNING if problems else logging.INFO, "uploaded queued images", extra={"facts": facts})


async def upload_outcomes(queues: Sequence[UploadQueue]) -> AsyncGenerator[UploadOutcome]:
    """Yield the outcome of every queued image."""
    for queue in queues:
        async for outcome in queue.flush():
            yield outcome
