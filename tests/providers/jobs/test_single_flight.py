"""Rounds: whoever asks waits for a whole one, and one that fails is told of and is not the last."""

from __future__ import annotations

import anyio
import pytest

from atelier.providers.jobs.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


async def test_a_round_that_fails_unforeseen_is_told_to_all_who_wait_and_another_may_follow() -> None:
    ends = [RuntimeError("a fault"), None]

    async def work() -> None:
        if (end := ends.pop(0)) is not None:
            raise end

    async with anyio.create_task_group() as tasks:
        rounds = SingleFlight(work, tasks)
        with pytest.raises(RuntimeError, match="a fault"):
            await rounds.one()
        await rounds.one()
    assert ends == []


async def test_who_asks_while_a_round_goes_on_waits_for_the_next_and_all_of_them_share_it() -> None:
    begun, go = list[int](), anyio.Event()

    async def work() -> None:
        begun.append(len(begun))
        await go.wait()

    async with anyio.create_task_group() as tasks:
        rounds = SingleFlight(work, tasks)
        tasks.start_soon(rounds.one)
        while not begun:
            await anyio.lowlevel.checkpoint()
        for _ in range(3):
            tasks.start_soon(rounds.one)
        await anyio.wait_all_tasks_blocked()
        assert begun == [0]
        go.set()
    assert begun == [0, 1]
