"""The jobs of this process: they run in a task group until they end, whoever waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from atelier.providers.core.concurrency import run_shielded
from atelier.providers.core.types import ImageResult
from atelier.providers.jobs.inline_hold import Hand
from atelier.providers.jobs.running_job import RunningJob
from atelier.providers.pipeline.fallback import with_fallback
from atelier.providers.pipeline.pipeline import Pipeline


class JobRunner:
    """Those over one pipeline. A call is known by its `mark` while a job runs that the same call can join."""

    def __init__(self, pipeline: Pipeline, tasks: TaskGroup) -> None:
        self._pipeline = pipeline
        self._tasks = tasks
        self._lives: dict[str, RunningJob] = {}
        self._marks: dict[tuple[str, str], RunningJob] = {}
        self._stopped = False
        self._closing = anyio.Event()

    @property
    def running(self) -> Sequence[str]:
        """The ids of the jobs that go on, or whose pictures are in an answer on its way."""
        return [id for id, running in self._lives.items() if running.hand or not running.done.is_set()]

    def job(self, id: str) -> RunningJob | None:
        """The job of that id, until its end is written."""
        return self._lives.get(id)

    def same(self, mark: tuple[str, str]) -> RunningJob | None:
        """The job that the same call has begun."""
        return self._marks.get(mark)

    def start(self, running: RunningJob) -> None:
        """Run a job until it ends. Once they were stopped, what was not sent yet is not sent."""
        if self._stopped:
            running.work.stop.cancel()
        self._lives[running.id] = self._marks[running.mark] = running
        self._tasks.start_soon(self._run, running)

    def stop(self) -> None:
        """Keep what was not sent yet of every job from being sent, from now on. The rest goes on."""
        self._stopped = True
        for running in self._lives.values():
            running.work.stop.cancel()

    def close(self) -> None:
        """The same, and wait neither for hands nor for a journal that cannot be written."""
        self.stop()
        self._closing.set()
        for running in self._lives.values():
            if running.hand:
                running.hand.drop()

    def taken(self, id: str) -> None:
        """An answer has left with the pictures of a job, those in hand included: the same call is another now."""
        if (running := self._lives.get(id)) and running.hand:
            running.hand.take()
            self._unmark(running)

    def given_back(self, id: str) -> None:
        """An answer never left; what was to be taken in hand is stored."""
        if (running := self._lives.get(id)) and running.hand:
            running.hand.give_back()

    async def _run(self, running: RunningJob) -> None:
        """The job itself: its result or its error, written before anyone hears of it."""
        try:
            pipeline, takes = self._pipeline.of(running.mark[0]), running.takes if running.in_hand else None
            result = await with_fallback(
                pipeline, running.work, running.fallback, running.on_progress, takes, running.now
            )
            running.result = replace(result, warnings=(*running.notes, *result.warnings))
            if running.in_hand and running.work.loose:
                await self._handed_over(running, running.result)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            running.fail(error)
        written = await running.written(self._pipeline.journal)
        self._unmark(running)
        running.hand = None
        if written:
            self._forget(running)
        running.done.set()
        if not written:
            await running.written_at_last(self._pipeline.journal, self._closing)
            self._forget(running)

    async def _handed_over(self, running: RunningJob, result: ImageResult) -> None:
        """Wait until the pictures in hand have left with an answer; they are stored when they do not."""
        hand = running.hand = Hand(0 if self._closing.is_set() else len(running.listeners))
        running.done.set()
        if not await hand.settled():
            images, unkept = await run_shielded(partial(self._pipeline.of(running.mark[0]).rescue, running.work))
            told = (*result.warnings, "Stored all the same: nobody was there to take it.", *unkept)
            running.result = replace(result, images=tuple(images), warnings=told)

    def _unmark(self, running: RunningJob) -> None:
        """From now on a call that asks for the same is another."""
        if self._marks.get(running.mark) is running:
            del self._marks[running.mark]

    def _forget(self, running: RunningJob) -> None:
        if (
            self._lives.get(running.id) is running
        ):  # and not the same job, taken up again the moment that its end was written
            del self._lives[running.id]
