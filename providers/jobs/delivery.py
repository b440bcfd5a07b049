"""Answers on their way out. That one has left is written behind its back; who asks again meanwhile waits for it."""

from __future__ import annotations

import logging
from collections.abc import Collection

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.errors import ImageError
from atelier.providers.pipeline.job_store import JobStore

log = logging.getLogger("atelier")


class DeliveryTracker:
    """The jobs whose answers are on their way; it is written in the task group."""

    def __init__(self, journal: JobStore, tasks: TaskGroup) -> None:
        self._journal = journal
        self._tasks = tasks
        self._jobs: dict[str, anyio.Event] = {}
        self._closed = False

    def close(self) -> None:
        """The task group has ended: of what leaves now nothing can be written, and it is collected once more."""
        self._closed = True

    def add(self, job: str) -> None:
        """Its answer leaves now."""
        if job not in self._jobs and not self._closed:
            self._jobs[job] = anyio.Event()
            self._tasks.start_soon(self._write, job)

    @property
    def jobs(self) -> Collection[str]:
        """Those of which it is still to be written."""
        return self._jobs.keys()

    async def wait(self, job: str) -> bool:
        """Wait until it is written that the answer has left. False when none is on its way."""
        leaving = self._jobs.get(job)
        if leaving is None:
            return False
        await leaving.wait()
        return True

    async def _write(self, job: str) -> None:
        try:
            await self._journal.mark_delivered(job)
        except ImageError as error:
            log.error("journal not written", extra={"facts": {"job": job, "why": error.message}})
        except Exception:  # the jobs of this process go on
            log.exception("journal not written", extra={"facts": {"job": job}})
        finally:
            self._jobs.pop(job).set()
