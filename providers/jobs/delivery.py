"""Delivered answers: record them in the background, and delete the images that were returned inline.

An answer counts as delivered once its transport has written it. A repeat of the call that arrives before that is
recorded waits here, so that it is a new request. The images of `save=false` are stored as temporary assets, returned
inline, and deleted once delivered or after an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import ImageResult
from atelier.providers.pipeline.job_store import JobRow, JobStore
from atelier.providers.pipeline.pipeline import Pipeline

log = logging.getLogger("atelier")


class DeliveryTracker:
    """The jobs whose delivery is being recorded in the task group.

    `delete_inline` deletes the images of a job that were returned inline, if there are any.
    """

    def __init__(self, store: JobStore, tasks: TaskGroup, delete_inline: Callable[[str], Awaitable[None]]) -> None:
        self._store = store
        self._tasks = tasks
        self._delete_inline = delete_inline
        self._recording: dict[str, anyio.Event] = {}
        self._closed = False

    def close(self) -> None:
        """The task group has ended: a later delivery is not recorded, so its result can be collected once more."""
        self._closed = True

    def mark_delivered(self, job: str) -> None:
        """Record that the answer with the job's result was written."""
        if job not in self._recording and not self._closed:
            self._recording[job] = anyio.Event()
            self._tasks.start_soon(self._record, job)

    @property
    def recording(self) -> Collection[str]:
        """The ids of the jobs whose delivery is being recorded."""
        return self._recording.keys()

    async def wait_recorded(self, job: str) -> bool:
        """Wait until the delivery of a job is recorded. Return False when none is under way."""
        recorded = self._recording.get(job)
        if recorded is None:
            return False
        await recorded.wait()
        return True

    async def _record(self, job: str) -> None:
        try:
            await self._store.mark_delivered(job)
            await self._delete_inline(job)
        except ImageError as error:
            log.error("delivery not recorded", extra={"facts": {"job": job, "why": error.message}})
        except Exception:  # the jobs of this process go on
            log.exception("delivery not recorded", extra={"facts": {"job": job}})
        finally:
            self._recording.pop(job).set()


class InlineResults:
    """The inline results that this process has returned and that are not delivered yet."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._returned: dict[str, tuple[str, list[str]]] = {}

    def add(self, result: ImageResult, caller: str) -> None:
        """Remember the images of a result, if it is inline, until it is delivered."""
        if result.inline:
            self._returned[result.id] = (caller, [image.stored.id for image in result.images if image.stored])

    async def delete(self, job: str) -> None:
        """Delete the images of a job that was delivered, if they were returned inline. Raises storage_failed."""
        caller, images = self._returned.pop(job, ("", list[str]()))
        await self._delete_images(caller, images)

    async def delete_expired(self) -> None:
        """Delete the images of inline results of this process's storages that are older than an hour."""
        for row in await self._pipeline.store.list_expired_inline(self._is_ours):
            await self._delete_images(row.caller, _ids(row))
            await self._pipeline.store.forget_inline(row.id)

    async def _delete_images(self, caller: str, images: Iterable[str]) -> None:
        for image in images:
            if storage := self._pipeline.for_caller(caller).storage:
                await storage.delete(image)

    def _is_ours(self, caller: str, home: str) -> bool:
        return home == self._pipeline.for_caller(caller).home


def _ids(row: JobRow) -> list[str]:
    images = row.outcome.get("images", [])
    return [str(image["id"]) for image in images]
