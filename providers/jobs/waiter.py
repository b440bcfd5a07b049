"""The counter of the desk: where callers wait for jobs, up to a moment, and are handed what came of them.

A job of this process is waited for until it ends, one of another process is looked at again and again, and one whose
process died is taken up. `until` is a time of anyio's clock; what is not there by then goes on, and its id is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import anyio

from atelier.providers.core.concurrency import is_cancelled
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageResult, Progress
from atelier.providers.jobs.delivery import DeliveryTracker
from atelier.providers.jobs.outcome import addressed, error_of, result_of
from atelier.providers.jobs.runner import JobRunner
from atelier.providers.jobs.running_job import JobHandle, RunningJob, elsewhere
from atelier.providers.jobs.single_flight import SingleFlight
from atelier.providers.pipeline.job_store import JobRow
from atelier.providers.pipeline.pipeline import Pipeline

LOOK = 0.5  # seconds between two looks at a job of another process
PATIENCE = 3.0  # seconds that a storage has at least to hand out what is finished

ELSEWHERE = "Another process works on it."
PERHAPS = "Another process works on it or has left it behind, which is being looked into."


class JobWaiter:
    """Of one desk. `rounds` take up orphans."""

    def __init__(self, pipeline: Pipeline, runner: JobRunner, leaving: DeliveryTracker, rounds: SingleFlight) -> None:
        self._pipeline = pipeline
        self._workshop = runner
        self._leaving = leaving
        self._rounds = rounds

    async def earlier(self, mark: tuple[str, str], until: float) -> JobRow | None:
        """The same call of before, if there is one to join, to collect or to be warned of."""
        looked = False
        while row := await self._pipeline.journal.find_duplicate(*mark):
            if await self._leaving.wait(row.id):
                continue
            if not (self._is_elsewhere(row) or row.collectable) or looked:
                return row
            looked = True
            # if its process died, it has perhaps ended; what came too late is there by now
            with anyio.CancelScope(deadline=until) as waiting:
                await self._rounds.one()
            if waiting.cancelled_caught:
                return replace(row, state="running")  # nobody can say yet that there is nothing to be had
        return None

    async def awaited(self, running: RunningJob, on_progress: Progress, until: float) -> ImageResult | JobHandle:
        """Wait for a job of this process. Whoever is the last to go before anything was sent takes it along."""
        await on_progress(running.latest)
        running.listeners.append(on_progress)
        if running.hand:
            running.hand.give()
        try:
            with anyio.CancelScope(deadline=float("inf") if running.work.priced.is_free else until):
                await running.done.wait()
        finally:
            running.listeners.remove(on_progress)
            if is_cancelled():
                self._left(running)
        if (
            running.found
            and not self._workshop.job(running.id)
            and (row := await self._pipeline.journal.get_job(running.id))
        ):
            return await self.joined(row, on_progress, until)
        if running.error:
            raise running.error
        if running.result:
            return await addressed(running.result, self._pipeline.of(running.mark[0]).storage)
        running.promised = True
        return running.running

    def _left(self, running: RunningJob) -> None:
        """A caller went away. The last one takes along what was not sent; what it was to take in hand is stored."""
        if running.hand:
            running.hand.give_back()
        elif not running.done.is_set() and not running.listeners and not running.promised:
            running.work.stop.cancel()

    async def joined(self, row: JobRow, on_progress: Progress, until: float) -> ImageResult | JobHandle:
        """What came of a job, of this process or another, or that it still runs."""
        word = ELSEWHERE
        if self._is_elsewhere(row):
            await on_progress(word)
        with anyio.CancelScope(deadline=until) as waiting:
            while self._is_elsewhere(row) or row.collectable:
                word = PERHAPS
                await self._rounds.one()
                word, lately = ELSEWHERE, row.collectable
                if not lately and not self._workshop.job(row.id):
                    await anyio.sleep(LOOK)
                row = await self._pipeline.journal.get_job(row.id) or _lost(row)
                if lately and row.collectable:
                    break  # its vendor was asked, and has not got it ready
        if running := self._workshop.job(row.id):
            return await self.awaited(running, on_progress, until)
        if row.state == "running" or (row.collectable and waiting.cancelled_caught):
            return elsewhere(row, word)
        return await self._kept(row, until)

    async def _kept(self, row: JobRow, until: float) -> ImageResult:
        """What is kept of a job that has ended. Raises the error in which it did, or storage_failed."""
        storage = self._pipeline.of(row.caller).storage
        if row.state != "done" or storage is None:
            raise error_of(row)
        with anyio.CancelScope(deadline=max(until, anyio.current_time() + PATIENCE)):
            return await result_of(row, storage)
        message = f"The pictures of {row.id} are stored, but their storage gave no answer in time."
        raise ImageError(Reason.STORAGE_FAILED, message, hint="Ask again later; they are not paid for again.")

    def _is_elsewhere(self, row: JobRow) -> bool:
        return row.state == "running" and not self._workshop.job(row.id)


def _lost(row: JobRow) -> NoReturn:
    """Nobody can say any more whether there is a process that works on it."""
    message = f"The journal that told of {row.id} was moved or removed meanwhile."
    hint = "The same call later joins it if it still runs, or else makes new pictures."
    raise ImageError(Reason.STORAGE_FAILED, message, hint=hint)
