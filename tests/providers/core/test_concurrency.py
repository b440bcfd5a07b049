"""Work that computes takes turns on the processors."""

from __future__ import annotations

import os
import threading
import time

import anyio

from atelier.providers.core.concurrency import run_on_processor


def test_of_twenty_computations_no_more_run_at_once_than_there_are_processors() -> None:
    running, most, counted = 0, 0, threading.Lock()

    def compute() -> None:
        nonlocal running, most
        with counted:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with counted:
            running -= 1

    async def twenty() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(run_on_processor, compute)

    anyio.run(twenty)
    assert most == min(20, os.cpu_count() or 1)


def test_each_event_loop_has_its_own_turns() -> None:
    """A program may use several, one after another or in threads."""

    async def doubled(number: int) -> int:
        return await run_on_processor(int.__mul__, number, 2)

    assert [anyio.run(doubled, number) for number in (1, 2)] == [2, 4]
