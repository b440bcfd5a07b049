"""The desk: jobs that outlive whoever asked for them.

A job runs in the desk's own task group. Its callers wait for it up to a limit and are then given its id; the work goes
on, and `collect` or the same call again has it. A call that asks for the same as one that runs joins it; one that asks
for what was made and never delivered collects that. Whoever goes away before anything was sent takes the job along.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from atelier.providers.budget import Confirm, Shortage
from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, ImageResult, Tell
from atelier.providers.dispatch import to_the_end
from atelier.providers.fallback import check_names, with_fallback
from atelier.providers.journal import Entry, JobRow
from atelier.providers.leaving import Leaving
from atelier.providers.live import Live, Running, elsewhere
from atelier.providers.orphans import Orphans
from atelier.providers.outcome import check_key, error_of, fingerprint, in_the_dark, keyed, request_json, result_of
from atelier.providers.pipeline import Pipeline, has_gone, silence
from atelier.providers.reserve import charges_of, refused

__all__ = ["Desk", "Running"]

WAIT = 50.0  # seconds that a caller waits before it is given the job's id; hosts give up at 60
LOOK = 0.5  # seconds between two looks at a job of another process


class Desk:
    """Takes requests, runs jobs. An async context manager: leaving it waits for what was sent, and closes everything.

    `wait` is how many seconds a caller waits; None is as long as it takes. `fallback` are models to move on to.
    """

    def __init__(self, pipeline: Pipeline, *, wait: float | None = WAIT, fallback: Sequence[str] = ()) -> None:
        self.pipeline = pipeline
        self._wait = wait
        self._fallback = tuple(fallback)
        self._lives: dict[str, Live] = {}
        self._marks: dict[tuple[str, str], Live] = {}
        self._tasks: TaskGroup = anyio.create_task_group()
        self._leaving = Leaving(pipeline.journal, self._tasks)
        self._orphans = Orphans(pipeline, self.start)
        self._closing = anyio.Event()

    async def __aenter__(self) -> Self:
        await self.pipeline.__aenter__()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._closing.set()
        self._tasks.cancel_scope.shield = True  # what was sent is paid for
        await self._tasks.__aexit__(None, None, None)
        await self.pipeline.__aexit__(kind, error, trace)
        await to_the_end(self.pipeline.journal.aclose)

    @property
    def running(self) -> Collection[str]:
        """The ids of the jobs that go on."""
        return [id for id, live in self._lives.items() if not live.done.is_set()]

    def within(self, wait: float) -> Self:
        """The same desk, for a caller who waits so many seconds."""
        other = copy.copy(self)
        other._wait = wait  # noqa: SLF001 - its own
        return other

    def of(self, caller: str) -> Self:
        """The same desk, over the pictures of a caller; see `Pipeline.of`."""
        other = copy.copy(self)
        other.pipeline = self.pipeline.of(caller)
        return other

    def stop(self) -> None:
        """Keep what was not sent yet of every job from being sent. The rest goes on."""
        for live in self._lives.values():
            live.work.stop.cancel()

    async def draw(
        self,
        request: ImageRequest,
        *,
        caller: str = "1",
        in_hand: int = 0,
        fallback: Sequence[str] | None = None,
        key: str | None = None,
        said: str | None = None,
        tell: Tell = silence,
        confirm: Confirm | None = None,
    ) -> ImageResult | Running:
        """The pictures, or the job that makes them when that takes long. Raises ImageError when there are none.

        `caller` is who pays. `in_hand` is how many bytes they take instead of having them stored. `fallback` are models
        to move on to, those of the desk unless given. The same `key` within a day is the same call, by its words where
        these are `said`: whatever came of it is told again. `confirm` asks the caller about a price; see `Pipeline`.
        """
        self.pipeline.of(caller).check_delivery(request, in_hand)
        admitted = self.pipeline.admit(request)
        free = not key and admitted.estimate is not None and admitted.estimate.high_usd == 0
        asked = keyed(said) if key and said else fingerprint(admitted, in_hand, self.pipeline.of(caller).home)
        mark = (caller, keyed(key) if key else asked)
        while (live := self._marks.get(mark)) and live.leaves:
            await live.done.wait()
        earlier = None if free else await self._earlier(mark)
        check_key(asked, earlier and earlier.request.get("asked"))
        if live := self._marks.get(mark):
            check_key(asked, live.asked)
            return await self._awaited(live, tell)
        if earlier and (key or earlier.state != "unknown"):
            try:
                return await self._joined(earlier, tell)
            except ImageError as error:
                if key or error.facts.get("gone") != earlier.id:
                    raise
                await self.pipeline.journal.delivered(earlier.id)  # somebody removed its pictures since
        models = self._fallback if fallback is None else fallback
        check_names(self.pipeline.catalog, models, request.operation)
        work = await self.pipeline.begin(admitted, caller, confirm)
        live = Live(work=work, mark=mark, asked=asked, in_hand=in_hand, fallback=models)
        if earlier and earlier.state == "unknown":
            live.notes, live.dark = [in_the_dark(earlier)], earlier
        same = await to_the_end(partial(self._opened, live, free))  # what is written must run
        check_key(asked, same and same.request.get("asked"))
        return await (self._joined(same, tell) if same else self._awaited(live, tell))

    async def collect(self, id: str, *, caller: str = "1", tell: Tell = silence) -> ImageResult | Running:
        """What came of a job, or that it still runs. Raises not_found, or the error in which the job ended."""
        row = await self.pipeline.journal.find(id)
        if row is None or row.caller != caller:
            raise ImageError(Reason.NOT_FOUND, f"There is no job {id}.", hint="Call get_image with list=true.")
        return await self._joined(row, tell)

    def cancel(self, id: str, *, caller: str = "1") -> None:
        """Keep what was not sent yet of a job from being sent, unless somebody waits for it. The rest goes on."""
        if (live := self._lives.get(id)) and live.mark[0] == caller and not live.listeners:
            live.work.stop.cancel()

    def delivered(self, job: str) -> None:
        """The answer is on its way: from now on the same call buys anew. Written once the caller has it."""
        self._leaving.add(job)

    def start(self, live: Live) -> None:
        """Run a job until it ends, whoever waits for it."""
        self._lives[live.id] = self._marks[live.mark] = live
        self._tasks.start_soon(self._run, live)

    async def _earlier(self, mark: tuple[str, str]) -> JobRow | None:
        """The same call of before, if there is one to join, to collect or to be warned of."""
        looked = False
        while row := await self.pipeline.journal.match(*mark):
            if await self._leaving.wait(row.id):
                continue
            if ((row.state == "running" and row.id not in self._lives) or row.collectable) and not looked:
                looked = True
                await self.recover()  # if its process died, it has perhaps ended; what came too late is there by now
            else:
                return row
        return None

    async def _opened(self, live: Live, free: bool) -> JobRow | None:
        """Write the job, reserve its price and start it; the same job where another call was quicker."""
        pipeline, admitted, (caller, alike) = self.pipeline, live.work.admitted, live.mark
        charges = charges_of(pipeline.catalog, admitted, live.work.accounts, caller)
        told = {**request_json(admitted), "asked": live.asked, "home": pipeline.of(caller).home}
        entry = Entry(id=live.id, caller=caller, fingerprint=alike, request=told)
        while not free:
            opened = await pipeline.journal.open(entry, charges, pipeline.budget.caps)
            if isinstance(opened, Shortage):
                raise refused(pipeline.catalog, admitted, opened)
            if opened is None:
                break
            if not await self._leaving.wait(opened.id):
                return opened
        self.start(live)
        return None

    async def _awaited(self, live: Live, tell: Tell) -> ImageResult | Running:
        """Wait for a job of this process. Whoever is the last to go before anything was sent takes it along."""
        live.listeners.append(tell)
        try:
            with anyio.move_on_after(None if live.is_free else self._wait):
                await live.done.wait()
        finally:
            live.listeners.remove(tell)
            if has_gone():
                self._left(live)
        if live.found and live.id not in self._lives and (row := await self.pipeline.journal.find(live.id)):
            return await self._joined(row, tell)
        if live.error:
            raise live.error
        if live.result:
            return live.result
        live.promised = True
        return live.running

    def _left(self, live: Live) -> None:
        """A caller went away. The last one takes along what was not sent; what it was to take in hand is stored."""
        if live.done.is_set() and live.result and live.work.loose:
            self._tasks.start_soon(self.pipeline.of(live.mark[0]).rescue, live.work)
        elif not live.listeners and not live.promised:
            live.work.stop.cancel()

    async def _joined(self, row: JobRow, tell: Tell) -> ImageResult | Running:
        """What came of a job, of this process or another, or that it still runs."""
        if row.collectable:
            await self.recover()
            row = await self.pipeline.journal.find(row.id) or row
        with anyio.move_on_after(self._wait) as waiting:
            while row.state == "running" and row.id not in self._lives:
                await self.recover()
                if row.id not in self._lives:
                    await anyio.sleep(LOOK)
                    row = await self.pipeline.journal.find(row.id) or row
        if live := self._lives.get(row.id):
            return await self.within(waiting.deadline - anyio.current_time())._awaited(live, tell)  # noqa: SLF001
        if row.state == "running":
            return elsewhere(row)
        if row.state != "done" or (storage := self.pipeline.of(row.caller).storage) is None:
            raise error_of(row)
        return await result_of(row, storage)

    async def _run(self, live: Live) -> None:
        """The job itself: its result or its error, written before anyone hears of it."""
        try:
            pipeline, takes = self.pipeline.of(live.mark[0]), live.takes if live.in_hand else None
            result = await with_fallback(pipeline, live.work, live.fallback, live.tell, takes, live.now)
            live.result = replace(result, warnings=(*live.notes, *result.warnings))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            live.fail(error)
        written = await live.written(self.pipeline.journal)
        if self._marks.get(live.mark) is live:
            del self._marks[live.mark]
        if written:
            self._forget(live)
        live.done.set()
        if not written:
            await live.written_at_last(self.pipeline.journal, self._closing)
            self._forget(live)

    def _forget(self, live: Live) -> None:
        if self._lives.get(live.id) is live:  # and not the same job, taken up again the moment that its end was written
            del self._lives[live.id]

    async def recover(self) -> None:
        """Take up the jobs of processes that died; see `Orphans`."""
        await self._orphans.take_up()
