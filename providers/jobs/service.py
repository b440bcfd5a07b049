"""The desk: jobs that outlive whoever asked for them.

A job runs in the desk's own task group. Its callers wait for it up to a limit and are then given its id; the work goes
on, and `collect` or the same call again has it. A call that asks for the same as one that runs joins it; one that asks
for what was made and never delivered collects that. Whoever goes away before anything was sent takes the job along.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskStatus

from atelier.providers.core.concurrency import no_progress, run_shielded
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, ImageResult, Progress
from atelier.providers.jobs.delivery import DeliveryTracker
from atelier.providers.jobs.outcome import check_key, fingerprint, in_the_dark, keyed, request_json
from atelier.providers.jobs.runner import JobRunner
from atelier.providers.jobs.running_job import JobHandle, RunningJob
from atelier.providers.jobs.single_flight import SingleFlight
from atelier.providers.jobs.sweeper import OrphanSweeper
from atelier.providers.jobs.waiter import JobWaiter
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.fallback import check_names
from atelier.providers.pipeline.job_store import JobRow, NewJob
from atelier.providers.pipeline.pipeline import Pipeline
from atelier.providers.pipeline.reserve import refused, reservations_for
from atelier.providers.pricing.budget import Confirm, Shortage

__all__ = ["ImageService", "JobHandle"]

WAIT = 50.0  # seconds that a caller waits before it is given the job's id; hosts give up at 60
NO_JOB = "Take the id from the answer that said “running”, or make the same call again: it joins a job that still runs."
MOMENT = 1.0  # seconds that are left at least to a caller who has waited before


class ImageService:
    """Takes requests, runs jobs. An async context manager: leaving it waits for what was sent, and closes everything.

    `wait` is how many seconds a caller waits; None is as long as it takes. `fallback` are models to move on to.
    """

    def __init__(self, pipeline: Pipeline, *, wait: float | None = WAIT, fallback: Sequence[str] = ()) -> None:
        self.pipeline = pipeline
        self._wait = wait
        self._most: int | None = None
        self._fallback = tuple(fallback)
        self._around = anyio.create_task_group()
        self._tasks = anyio.create_task_group()
        self._closing = anyio.Event()
        self._workshop = JobRunner(pipeline, self._tasks)
        self._leaving = DeliveryTracker(pipeline.journal, self._tasks)
        self._rounds = SingleFlight(OrphanSweeper(pipeline, self._workshop.start).take_up, self._tasks)
        self._counter = JobWaiter(pipeline, self._workshop, self._leaving, self._rounds)

    async def __aenter__(self) -> Self:
        await self.pipeline.__aenter__()
        await self._around.__aenter__()
        await run_shielded(partial(self._around.start, self._working))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workshop.close()
        self._closing.set()
        self._around.cancel_scope.shield = True
        await self._around.__aexit__(None, None, None)
        await run_shielded(partial(self.pipeline.__aexit__, kind, error, trace))
        await run_shielded(self.pipeline.journal.aclose)

    async def _working(self, *, task_status: TaskStatus[None]) -> None:
        """What was sent is paid for, and goes on even when whoever uses the desk is cancelled before leaving it."""
        with anyio.CancelScope(shield=True):
            async with self._tasks:
                task_status.started()
                await self._closing.wait()
            self._leaving.close()

    @property
    def in_flight(self) -> Collection[str]:
        """The ids of the jobs that go on, or whose answer is on its way."""
        return [*self._workshop.running, *self._leaving.jobs]

    def with_wait(self, wait: float, most: int | None = None) -> Self:
        """The same desk, for a caller who waits so many seconds, and of whom at most so many jobs may run at once."""
        other = copy.copy(self)
        other._wait, other._most = wait, most  # noqa: SLF001 - its own
        return other

    def with_time_spent(self, seconds: float) -> Self:
        """The same desk, for a caller who has waited so many seconds already."""
        if self._wait is None:
            return self
        return self.with_wait(max(min(self._wait, MOMENT), self._wait - seconds), self._most)

    def for_caller(self, caller: str) -> Self:
        """The same desk, over the pictures of a caller; see `Pipeline.of`."""
        other = copy.copy(self)
        other.pipeline = self.pipeline.of(caller)
        return other

    def stop_unsent(self) -> None:
        """Keep what was not sent yet of every job from being sent. The rest goes on."""
        self._workshop.stop()

    async def submit(
        self,
        request: ImageRequest,
        *,
        caller: str = "1",
        in_hand: int = 0,
        fallback: Sequence[str] | None = None,
        key: str | None = None,
        said: str | None = None,
        on_progress: Progress = no_progress,
        confirm: Confirm | None = None,
    ) -> ImageResult | JobHandle:
        """The pictures, or the job that makes them when that takes long. Raises ImageError when there are none.

        `caller` is who pays. `in_hand` is how many bytes they take instead of having them stored. `fallback` are models
        to move on to, those of the desk unless given. The same `key` within a day is the same call, by its words where
        these are `said`: whatever came of it is told again. `confirm` asks the caller about a price; see `Pipeline`.
        """
        until = self._until()
        self.pipeline.of(caller).check_delivery(request, in_hand)
        priced = self.pipeline.admit(request)
        free = not key and priced.is_free
        asked = keyed(said) if key and said else await self._fingerprint(priced, in_hand, caller)
        mark = (caller, keyed(key) if key else asked)
        while (running := self._workshop.same(mark)) and running.leaves:
            await running.done.wait()
        earlier = None if free else await self._counter.earlier(mark, until)
        check_key(asked, earlier and earlier.request.get("asked"))
        if running := self._workshop.same(mark):
            check_key(asked, running.asked)
            return await self._counter.awaited(running, on_progress, until)
        if earlier and (key or earlier.state != "unknown"):
            try:
                return await self._counter.joined(earlier, on_progress, until)
            except ImageError as error:
                gone, damaged = (error.facts.get(word) == earlier.id for word in ("gone", "damaged"))
                if not key and (gone or damaged):  # somebody removed its pictures since, or it is told of once
                    await self.pipeline.journal.mark_delivered(earlier.id)
                if key or not gone:
                    raise
        models = self._fallback if fallback is None else fallback
        check_names(self.pipeline.catalog, models, request.operation)
        thinking = anyio.current_time()
        work = await self.pipeline.begin(priced, caller, confirm)
        until += anyio.current_time() - thinking  # of the person who was asked about the price
        running = RunningJob(work=work, mark=mark, asked=asked, in_hand=in_hand, fallback=models)
        if earlier and earlier.state == "unknown":
            running.notes, running.dark = [in_the_dark(earlier)], earlier
        same = await run_shielded(partial(self._opened, running, free))  # what is written must run
        check_key(asked, same and same.request.get("asked"))
        counter = self._counter
        return await (
            counter.joined(same, on_progress, until) if same else counter.awaited(running, on_progress, until)
        )

    async def replay(
        self, key: str, said: str, *, caller: str = "1", on_progress: Progress = no_progress
    ) -> ImageResult | JobHandle | None:
        """What came of the call of that key, if any; neither its model nor its sources need be there still."""
        row = await self.pipeline.journal.find_duplicate(caller, keyed(key))
        if row is None:
            return None
        check_key(keyed(said), row.request.get("asked"))
        return await self._counter.joined(row, on_progress, self._until())

    async def get_result(
        self, id: str, *, caller: str = "1", on_progress: Progress = no_progress
    ) -> ImageResult | JobHandle:
        """What came of a job, or that it still runs. Raises not_found, or the error in which the job ended."""
        row = await self.pipeline.journal.get_job(id)
        if row is None or row.caller != caller:
            raise ImageError(Reason.NOT_FOUND, f"There is no job {id}.", hint=NO_JOB)
        return await self._counter.joined(row, on_progress, self._until())

    def cancel(self, id: str, *, caller: str = "1") -> None:
        """Keep what was not sent yet of a job from being sent, unless somebody waits for it. The rest goes on."""
        if (running := self._workshop.job(id)) and running.mark[0] == caller and not running.listeners:
            running.work.stop.cancel()

    def mark_delivered(self, job: str) -> None:
        """Its answer has left: from now on the same call buys anew."""
        self._workshop.taken(job)
        self._leaving.add(job)

    def abandon_delivery(self, job: str) -> None:
        """Its answer never left; what was to be taken in hand is stored, and the same call collects it."""
        self._workshop.given_back(job)

    async def _fingerprint(self, priced: PricedRequest, in_hand: int, caller: str) -> str:
        """What the request asks; to hash its pictures takes a while."""
        return await anyio.to_thread.run_sync(fingerprint, priced, in_hand, self.pipeline.of(caller).home)

    def _until(self) -> float:
        """When a caller has waited long enough who comes now."""
        return anyio.current_time() + (float("inf") if self._wait is None else self._wait)

    async def _opened(self, running: RunningJob, free: bool) -> JobRow | None:
        """Write the job, reserve its price and start it; the same job where another call was quicker."""
        pipeline, priced, (caller, alike) = self.pipeline, running.work.priced, running.mark
        charges = reservations_for(pipeline.catalog, priced, running.work.accounts, caller)
        told = {**request_json(priced), "asked": running.asked, "home": pipeline.of(caller).home}
        entry = NewJob(id=running.id, caller=caller, fingerprint=alike, request=told, most=self._most)
        while not free:
            opened = await pipeline.journal.open_job(entry, charges, pipeline.budget.caps)
            if isinstance(opened, Shortage):
                raise refused(pipeline.catalog, priced, opened)
            if opened is None:
                break
            if not await self._leaving.wait(opened.id):
                return opened
        self._workshop.start(running)
        return None

    async def recover(self) -> None:
        """Take up the jobs of processes that died; see `OrphanSweeper`."""
        await self._rounds.one()
