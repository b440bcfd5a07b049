"""The jobs of this process: they run in a task group until they end, whoever waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.concurrency import to_the_end
from atelier.providers.core.types import ImageResult
from atelier.providers.pipeline.fallback import with_fallback
from atelier.providers.jobs.inline_hold import Hand
from atelier.providers.jobs.running_job import Live
from atelier.providers.pipeline.pipeline import Pipeline


class Workshop:
    """Those over one pipeline. A call is known by its `mark` while a job runs that the same call can join."""

    def __init__(self, pipeline: Pipeline, tasks: TaskGroup) -> None:
        self._pipeline = pipeline
        self._tasks = tasks
        self._lives: dict[str, Live] = {}
        self._marks: dict[tuple[str, str], Live] = {}
        self._stopped = False
        self._closing = anyio.Event()

    @property
    def running(self) -> Sequence[str]:
        """The ids of the jobs that go on, or whose pictures are in an answer on its way."""
        return [id for id, live in self._lives.items() if live.hand or not live.done.is_set()]

    def job(self, id: str) -> Live | None:
        """The job of that id, until its end is written."""
        return self._lives.get(id)

    def same(self, mark: tuple[str, str]) -> Live | None:
        """The job that the same call has begun."""
        return self._marks.get(mark)

    def start(self, live: Live) -> None:
        """Run a job until it ends. Once they were stopped, what was not sent yet is not sent."""
        if self._stopped:
            live.work.stop.cancel()
        self._lives[live.id] = self._marks[live.mark] = live
        self._tasks.start_soon(self._run, live)

    def stop(self) -> None:
        """Keep what was not sent yet of every job from being sent, from now on. The rest goes on."""
        self._stopped = True
        for live in self._lives.values():
            live.work.stop.cancel()

    def close(self) -> None:
        """The same, and wait neither for hands nor for a journal that cannot be written."""
        self.stop()
        self._closing.set()
        for live in self._lives.values():
            if live.hand:
                live.hand.drop()

    def taken(self, id: str) -> None:
        """An answer has left with the pictures of a job, those in hand included: the same call is another now."""
        if (live := self._lives.get(id)) and live.hand:
            live.hand.take()
            self._unmark(live)

    def given_back(self, id: str) -> None:
        """An answer never left; what was to be taken in hand is stored."""
        if (live := self._lives.get(id)) and live.hand:
            live.hand.give_back()

    async def _run(self, live: Live) -> None:
        """The job itself: its result or its error, written before anyone hears of it."""
        try:
            pipeline, takes = self._pipeline.of(live.mark[0]), live.takes if live.in_hand else None
            result = await with_fallback(pipeline, live.work, live.fallback, live.tell, takes, live.now)
            live.result = replace(result, warnings=(*live.notes, *result.warnings))
            if live.in_hand and live.work.loose:
                await self._handed_over(live, live.result)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            live.fail(error)
        written = await live.written(self._pipeline.journal)
        self._unmark(live)
        live.hand = None
        if written:
            self._forget(live)
        live.done.set()
        if not written:
            await live.written_at_last(self._pipeline.journal, self._closing)
            self._forget(live)

    async def _handed_over(self, live: Live, result: ImageResult) -> None:
        """Wait until the pictures in hand have left with an answer; they are stored when they do not."""
        hand = live.hand = Hand(0 if self._closing.is_set() else len(live.listeners))
        live.done.set()
        if not await hand.settled():
            images, unkept = await to_the_end(partial(self._pipeline.of(live.mark[0]).rescue, live.work))
            told = (*result.warnings, "Stored all the same: nobody was there to take it.", *unkept)
            live.result = replace(result, images=tuple(images), warnings=told)

    def _unmark(self, live: Live) -> None:
        """From now on a call that asks for the same is another."""
        if self._marks.get(live.mark) is live:
            del self._marks[live.mark]

    def _forget(self, live: Live) -> None:
        if self._lives.get(live.id) is live:  # and not the same job, taken up again the moment that its end was written
            del self._lives[live.id]
