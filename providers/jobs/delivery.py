"""Delivered answers: record them in the background, and delete the images that were returned inline.

An answer counts as delivered once its transport has written it. A repeat of the call that arrives before that is
recorded waits here, so that it is a new request. The images of `save=false` are stored as temporary assets, returned
inline, and deleted once delivered or after an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.errors import ImageError
from atelier.providers.core.results import ImageResult
from atelier.providers.pipeline.pipeline import Pipeline

log = logging.getLogger("atelier")


class DeliveryTracker:
    """The jobs whose delivery is being recorded in the task group, and the inline results that wait for theirs."""

    def __init__(self, pipeline: Pipeline, tasks: TaskGroup) -> None:
        self._pipeline = pipeline
        self._tasks = tasks
        self._recording: dict[str, anyio.Event] = {}
        self._inline: dict[str, tuple[str, list[str]]] = {}
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
            await self._pipeline.store.mark_delivered(job)
            if job in self._inline:
                await self._delete_images(*self._inline.pop(job))
        except ImageError as error:
            log.error("delivery not recorded", extra={"facts": {"job": job, "why": error.message}})
        except Exception:  # the jobs of this process go on
            log.exception("delivery not recorded", extra={"facts": {"job": job}})
        finally:
            self._recording.pop(job).set()

    def add_inline(self, result: ImageResult, caller: str) -> None:
        """Remember the images of an inline result, which are deleted once it is delivered."""
        self._inline[result.id] = (caller, [image.stored.id for image in result.images if image.stored])

    async def delete_expired_inline(self) -> None:
        """Delete the images of inline results of this process's storages that are older than an hour."""

        def ours(caller: str, home: str) -> bool:
            return home == self._pipeline.for_caller(caller).home

        for row in await self._pipeline.store.list_expired_inline(ours):
            await self._delete_images(row.caller, (str(image["id"]) for image in row.outcome.get("images", [])))
            await self._pipeline.store.forget_inline(row.id)

    async def _delete_images(self, caller: str, images: Iterable[str]) -> None:
        for image in images:
            if storage := self._pipeline.for_caller(caller).storage:
                await storage.delete(image)
