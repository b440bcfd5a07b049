"""Computations take turns on the processors, and what is slow to import is made in a thread, once."""

from __future__ import annotations

import os
import threading
import time
from typing import ClassVar

import anyio
import pytest

from atelier.providers.core.concurrency import Deferred, run_on_processor


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


class Greeter:
    """An object that notes where it was made and when it was closed."""

    made_in: ClassVar[list[int]] = []
    closed = 0

    def __init__(self) -> None:
        self.made_in.append(threading.get_ident())

    async def greet(self, name: str) -> str:
        return f"Hello, {name}"

    async def aclose(self) -> None:
        Greeter.closed += 1


@pytest.mark.anyio
async def test_a_deferred_object_is_made_once_in_a_thread_when_two_calls_come_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Greeter, "made_in", list[int]())
    deferred, answers = Deferred(Greeter), list[str]()

    async def greet(name: str) -> None:
        answers.append(await deferred.greet(name))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(greet, "Ann")
        tasks.start_soon(greet, "Bob")
    assert sorted(answers) == ["Hello, Ann", "Hello, Bob"]
    assert len(Greeter.made_in) == 1
    assert Greeter.made_in[0] != threading.get_ident()


@pytest.mark.anyio
async def test_a_deferred_object_is_closed_only_if_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Greeter, "closed", 0)
    await Deferred(Greeter).aclose()
    assert Greeter.closed == 0
    used = Deferred(Greeter)
    await used.greet("Ann")
    await used.aclose()
    assert Greeter.closed == 1
