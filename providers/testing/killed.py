"""Jobs as killed processes leave them, and what the next process makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService
from atelier.providers.jobs.stored_job import encode_request, fingerprint
from atelier.providers.pipeline.admit import check_and_price
from atelier.providers.pipeline.job_store import CallIdentity, NewJob
from atelier.providers.pipeline.prepare import reservations_for, vendor_calls_for
from atelier.providers.pricing.budget import Caps
from atelier.providers.testing.waiting import eventually
from atelier.server.composition import catalog_of, job_store_of, pipeline_of, storage_of
from atelier.server.settings import Settings


async def left_behind(
    environ: Mapping[str, str],
    today: Any,
    request: ImageRequest,
    *,
    sent: bool,
    task: Mapping[str, Any] | None = None,
    count: int = 1,
    alive: AsyncExitStack | None = None,
) -> tuple[str, list[str]]:
    """A job as a process leaves it that is killed at some point, or when `alive` closes; its id and its calls'."""
    settings = Settings.from_environ(environ)
    catalog, store = catalog_of(settings, today), job_store_of(settings, today)
    priced = check_and_price(catalog, replace(request, count=count))
    vendor_calls = vendor_calls_for(catalog, store, priced, Caps())
    charges = reservations_for(catalog, priced, vendor_calls, "1")
    home = storage_of(settings).home
    entry = NewJob(
        id=priced.job.id,
        identity=CallIdentity(caller="1", fingerprint=fingerprint(priced, False, home)),
        request={**encode_request(priced), "home": home},
    )
    await store.open_job(entry, charges, Caps())
    for vendor_call in vendor_calls if sent else ():
        await vendor_call.mark_sent()
        if task:
            await vendor_call.save_vendor_task(task)
    if alive is None:
        await store.aclose()
    else:
        alive.push_async_callback(store.aclose)
    return priced.job.id, [vendor_call.id for vendor_call in vendor_calls]


async def recovered(environ: Mapping[str, str], today: Any, job: str) -> tuple[Any, list[Any]]:
    """What the next start makes of the job: its result or its error, and its calls."""
    settings = Settings.from_environ(environ)
    async with ImageService(pipeline_of(settings, storage_of(settings), today)) as service:
        await service.recover()
        await eventually(lambda: not service.active_jobs)
        try:
            found: Any = await service.get_result(job)
        except ImageError as error:
            found = error
        return found, await service.pipeline.store.list_calls(job)
