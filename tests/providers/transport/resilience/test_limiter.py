"""Turns: no more at once than allowed, callers in rotation, a queue with an end."""

from __future__ import annotations

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.ids import new_id
from atelier.providers.transport.resilience.limiter import FairLimiter

pytestmark = pytest.mark.anyio


async def no_progress() -> None:
    """Who waits is not told."""


async def test_callers_take_turns_and_none_waits_for_all_of_anothers(anyio_backend: str) -> None:
    turns, served, gate = FairLimiter("OpenAI", 1, 100), list[str](), anyio.Event()

    async def call(caller: str) -> None:
        async with turns.slot(caller, new_id("job"), no_progress):
            served.append(caller)
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for caller in "aaaabc":
            tasks.start_soon(call, caller)
            await anyio.lowlevel.checkpoint()
        gate.set()
    assert "".join(served) == "aabcaa"


async def test_no_more_go_on_at_once_than_allowed() -> None:
    turns, now, most = FairLimiter("OpenAI", 3, 100), 0, 0

    async def call(caller: str) -> None:
        nonlocal now, most
        async with turns.slot(caller, new_id("job"), no_progress):
            now += 1
            most = max(most, now)
            await anyio.lowlevel.checkpoint()
            now -= 1

    async with anyio.create_task_group() as tasks:
        for n in range(20):
            tasks.start_soon(call, str(n % 4))
    assert (most, now) == (3, 0)


async def refusal(turns: FairLimiter, caller: str = "1") -> ImageError:
    """What who comes too late is told."""
    with pytest.raises(ImageError) as caught:
        async with turns.slot(caller, new_id("job"), no_progress):
            raise AssertionError("it was let in")
    return caught.value


async def test_a_full_queue_refuses() -> None:
    turns, gate = FairLimiter("OpenAI", 1, 2), anyio.Event()

    async def call() -> None:
        async with turns.slot("1", new_id("job"), no_progress):
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)
            await anyio.lowlevel.checkpoint()
        error = await refusal(turns)
        assert (error.reason, error.retryable) == (Reason.RATE_LIMITED, True)
        assert (
            error.message
            == "OpenAI has its maximum of running calls, and the queue is full (2 waiting); nothing was sent."
        )
        gate.set()


async def test_a_queue_that_one_caller_has_filled_has_room_for_one_call_of_each_other_up_to_an_end() -> None:
    turns, gate = FairLimiter("OpenAI", 1, 2), anyio.Event()

    async def call(caller: str) -> None:
        async with turns.slot(caller, new_id("job"), no_progress):
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for caller in ("1", "1", "1", "2", "3"):
            tasks.start_soon(call, caller)
            await anyio.lowlevel.checkpoint()
        for late in ("2", "4"):
            assert (await refusal(turns, late)).reason is Reason.RATE_LIMITED
        gate.set()


async def test_where_none_may_wait_the_refusal_says_so() -> None:
    turns = FairLimiter("OpenAI", 1, 0)
    async with turns.slot("1", "a job", no_progress):
        error = await refusal(turns)
    assert error.message == "OpenAI has its maximum of running calls, and there is no queue; nothing was sent."
    async with turns.slot("2", "another", no_progress):
        pass


async def test_a_job_that_has_begun_is_not_refused_halfway() -> None:
    turns, served, gate = FairLimiter("Black Forest Labs", 2, 0), list[str](), anyio.Event()

    async def call(name: str) -> None:
        async with turns.slot("1", "a job of five calls", no_progress):
            served.append(name)
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for name in "abcde":
            tasks.start_soon(call, name)
        await anyio.wait_all_tasks_blocked()
        assert (await refusal(turns)).reason is Reason.RATE_LIMITED  # another job's
        gate.set()
    assert "".join(served) == "abcde"
    async with (
        turns.slot("2", "another", no_progress),
        turns.slot("3", "one more", no_progress),
    ):  # and then it is as it was
        assert (await refusal(turns)).reason is Reason.RATE_LIMITED


async def test_what_only_collects_waits_however_many_do_and_keeps_nobody_out() -> None:
    turns, served, gate = FairLimiter("Black Forest Labs", 1, 1), list[str](), anyio.Event()

    async def call(name: str, job: str | None) -> None:
        async with turns.slot(name, job, no_progress):
            served.append(name)
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for name, job in (("a", "1"), ("b", None), ("c", None), ("d", "2")):
            tasks.start_soon(call, name, job)
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert "".join(served) == "abcd"


async def test_who_leaves_while_waiting_takes_no_turn_along() -> None:
    turns, gate, served = FairLimiter("OpenAI", 1, 5), anyio.Event(), list[str]()

    async def call(name: str) -> None:
        async with turns.slot(name, name, no_progress):
            served.append(name)
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, "first")
        await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(0):
            await call("impatient")
        tasks.start_soon(call, "last")
        await anyio.lowlevel.checkpoint()
        gate.set()
    assert served == ["first", "last"]


async def test_a_turn_that_comes_as_its_caller_leaves_is_passed_on() -> None:
    turns, served, scopes = FairLimiter("OpenAI", 1, 5), list[str](), dict[str, anyio.CancelScope]()

    async def call(name: str) -> None:
        with anyio.CancelScope() as scopes[name]:
            async with turns.slot(name, name, no_progress):
                served.append(name)

    async with anyio.create_task_group() as tasks, turns.slot("holder", "holder", no_progress):
        for name in ("leaves", "stays"):
            tasks.start_soon(call, name)
            await anyio.lowlevel.checkpoint()
        scopes["leaves"].cancel()  # it has not run again yet when the turn comes
    assert served == ["stays"]
