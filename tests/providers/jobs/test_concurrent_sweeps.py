"""Sweeps: each caller waits for a whole one, concurrent callers share it, and a failed one is not the last."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from atelier.providers.catalog.catalog import Catalog
from atelier.providers.jobs.sweeper import OrphanSweeper
from atelier.providers.pipeline.job_store import JobRow, JobStore
from atelier.providers.pipeline.pipeline import Pipeline

pytestmark = pytest.mark.anyio


class Store(JobStore):
    """A store whose claims can be held up and can fail."""

    def __init__(self, *ends: Exception | None) -> None:
        self.begun = 0
        self.go = anyio.Event()
        self._ends = list(ends)

    async def claim_orphaned_jobs(self, ours: Any) -> list[JobRow]:
        self.begun += 1
        await self.go.wait()
        if self._ends and (end := self._ends.pop(0)) is not None:
            raise end
        return []


def sweeper(store: Store, tasks: TaskGroup) -> OrphanSweeper:
    pipeline = Pipeline(Catalog(dict[str, str]().get), store=store)
    return OrphanSweeper(pipeline, lambda job: None, tasks)


async def test_a_failed_sweep_raises_for_its_caller_and_another_may_follow() -> None:
    store = Store(RuntimeError("a fault"), None)
    store.go.set()
    async with anyio.create_task_group() as tasks:
        sweeps = sweeper(store, tasks)
        with pytest.raises(RuntimeError, match="a fault"):
            await sweeps.sweep()
        await sweeps.sweep()
    assert store.begun == 2


async def test_callers_who_come_during_a_sweep_share_the_next_one() -> None:
    store = Store()
    async with anyio.create_task_group() as tasks:
        sweeps = sweeper(store, tasks)
        tasks.start_soon(sweeps.sweep)
        while not store.begun:
            await anyio.lowlevel.checkpoint()
        for _ in range(3):
            tasks.start_soon(sweeps.sweep)
        await anyio.wait_all_tasks_blocked()
        assert store.begun == 1
        store.go.set()
    assert store.begun == 2
