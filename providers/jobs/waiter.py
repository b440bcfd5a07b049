"""The counter of the desk: where callers wait for jobs, up to a moment, and are handed what came of them.

A job of this process is waited for until it ends, one of another process is looked at again and again, and one whose
process died is taken up. `until` is a time of anyio's clock; what is not there by then goes on, and its id is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import anyio

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.concurrency import has_gone
from atelier.providers.core.types import ImageResult, Tell
from atelier.providers.pipeline.job_store import JobRow
from atelier.providers.jobs.delivery import Leaving
from atelier.providers.jobs.running_job import Live, Running, elsewhere
from atelier.providers.jobs.outcome import addressed, error_of, result_of
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.jobs.single_flight import Rounds
from atelier.providers.jobs.runner import Workshop

LOOK = 0.5  # seconds between two looks at a job of another process
PATIENCE = 3.0  # seconds that a storage has at least to hand out what is finished

ELSEWHERE = "Another process works on it."
PERHAPS = "Another process works on it or has left it behind, which is being looked into."


class Counter:
    """Of one desk. `rounds` take up orphans."""

    def __init__(self, pipeline: Pipeline, workshop: Workshop, leaving: Leaving, rounds: Rounds) -> None:
        self._pipeline = pipeline
        self._workshop = workshop
        self._leaving = leaving
        self._rounds = rounds

    async def earlier(self, mark: tuple[str, str], until: float) -> JobRow | None:
        """The same call of before, if there is one to join, to collect or to be warned of."""
        looked = False
        while row := await self._pipeline.journal.match(*mark):
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

    async def awaited(self, live: Live, tell: Tell, until: float) -> ImageResult | Running:
        """Wait for a job of this process. Whoever is the last to go before anything was sent takes it along."""
        await tell(live.latest)
        live.listeners.append(tell)
        if live.hand:
            live.hand.give()
        try:
            with anyio.CancelScope(deadline=float("inf") if live.work.admitted.is_free else until):
                await live.done.wait()
        finally:
            live.listeners.remove(tell)
            if has_gone():
                self._left(live)
        if live.found and not self._workshop.job(live.id) and (row := await self._pipeline.journal.find(live.id)):
            return await self.joined(row, tell, until)
        if live.error:
            raise live.error
        if live.result:
            return await addressed(live.result, self._pipeline.of(live.mark[0]).storage)
        live.promised = True
        return live.running

    def _left(self, live: Live) -> None:
        """A caller went away. The last one takes along what was not sent; what it was to take in hand is stored."""
        if live.hand:
            live.hand.give_back()
        elif not live.done.is_set() and not live.listeners and not live.promised:
            live.work.stop.cancel()

    async def joined(self, row: JobRow, tell: Tell, until: float) -> ImageResult | Running:
        """What came of a job, of this process or another, or that it still runs."""
        word = ELSEWHERE
        if self._is_elsewhere(row):
            await tell(word)
        with anyio.CancelScope(deadline=until) as waiting:
            while self._is_elsewhere(row) or row.collectable:
                word = PERHAPS
                await self._rounds.one()
                word, lately = ELSEWHERE, row.collectable
                if not lately and not self._workshop.job(row.id):
                    await anyio.sleep(LOOK)
                row = await self._pipeline.journal.find(row.id) or _lost(row)
                if lately and row.collectable:
                    break  # its vendor was asked, and has not got it ready
        if live := self._workshop.job(row.id):
            return await self.awaited(live, tell, until)
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
