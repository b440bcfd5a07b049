"""Delivered answers: record them in the background, and delete the images that were returned inline.

An answer counts as delivered once its transport has written it. A repeat of the call that arrives before that is
recorded waits here, so that it is a new request.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.errors import ImageError
from atelier.providers.pipeline.job_store import JobStore

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
