"""Tests of the limiter: the concurrency limit, callers in rotation, a bounded queue."""

from __future__ import annotations

import anyio
import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.tracing import new_id
from atelier.providers.transport.resilience import FairLimiter

pytestmark = pytest.mark.anyio


async def no_progress() -> None:
    """Ignore the message for waiting callers."""


async def test_callers_are_served_in_rotation(anyio_backend: str) -> None:
    limiter, served, gate = FairLimiter("OpenAI", 1, 100), list[str](), anyio.Event()

    async def call(caller: str) -> None:
        async with limiter.slot(caller, new_id("job"), no_progress):
            served.append(caller)
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for caller in "aaaabc":
            tasks.start_soon(call, caller)
            await anyio.lowlevel.checkpoint()
        gate.set()
    assert "".join(served) == "aabcaa"


async def test_no_more_calls_run_than_the_limit() -> None:
    limiter, now, maximum = FairLimiter("OpenAI", 3, 100), 0, 0

    async def call(caller: str) -> None:
        nonlocal now, maximum
        async with limiter.slot(caller, new_id("job"), no_progress):
            now += 1
            maximum = max(maximum, now)
            await anyio.lowlevel.checkpoint()
            now -= 1

    async with anyio.create_task_group() as tasks:
        for n in range(20):
            tasks.start_soon(call, str(n % 4))
    assert (maximum, now) == (3, 0)


async def refusal(limiter: FairLimiter, caller: str = "1") -> ImageError:
    """Return the error for a call that finds the queue full."""
    with pytest.raises(ImageError) as caught:
        async with limiter.slot(caller, new_id("job"), no_progress):
            raise AssertionError("it was let in")
    return caught.value


async def test_a_full_queue_refuses() -> None:
    limiter, gate = FairLimiter("OpenAI", 1, 2), anyio.Event()

    async def call() -> None:
        async with limiter.slot("1", new_id("job"), no_progress):
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)
            await anyio.lowlevel.checkpoint()
        error = await refusal(limiter)
        assert (error.reason, error.retryable) == (Reason.RATE_LIMITED, True)
        assert (
            error.message
            == "OpenAI has its maximum of running calls, and the queue is full (2 waiting); nothing was sent."
        )
        gate.set()


async def test_a_full_queue_accepts_one_call_of_each_other_caller_up_to_twice_its_length() -> None:
    limiter, gate = FairLimiter("OpenAI", 1, 2), anyio.Event()

    async def call(caller: str) -> None:
        async with limiter.slot(caller, new_id("job"), no_progress):
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for caller in ("1", "1", "1", "2", "3"):
            tasks.start_soon(call, caller)
            await anyio.lowlevel.checkpoint()
        for late in ("2", "4"):
            assert (await refusal(limiter, late)).reason is Reason.RATE_LIMITED
        gate.set()


async def test_the_refusal_without_a_queue_says_so() -> None:
    limiter = FairLimiter("OpenAI", 1, 0)
    async with limiter.slot("1", "a job", no_progress):
        error = await refusal(limiter)
    assert error.message == "OpenAI has its maximum of running calls, and there is no queue; nothing was sent."
    async with limiter.slot("2", "another", no_progress):
        pass


async def test_a_running_job_is_never_refused() -> None:
    limiter, served, gate = FairLimiter("Black Forest Labs", 2, 0), list[str](), anyio.Event()

    async def call(name: str) -> None:
        async with limiter.slot("1", "a job of five calls", no_progress):
            served.append(name)
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for name in "abcde":
            tasks.start_soon(call, name)
        await anyio.wait_all_tasks_blocked()
        assert (await refusal(limiter)).reason is Reason.RATE_LIMITED  # another job's
        gate.set()
    assert "".join(served) == "abcde"
    async with (
        limiter.slot("2", "another", no_progress),
        limiter.slot("3", "one more", no_progress),
    ):  # and then it is as it was
        assert (await refusal(limiter)).reason is Reason.RATE_LIMITED


async def test_a_call_that_collects_always_waits_and_does_not_count() -> None:
    limiter, served, gate = FairLimiter("Black Forest Labs", 1, 1), list[str](), anyio.Event()

    async def call(name: str, job: str | None) -> None:
        async with limiter.slot(name, job, no_progress):
            served.append(name)
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        for name, job in (("a", "1"), ("b", None), ("c", None), ("d", "2")):
            tasks.start_soon(call, name, job)
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert "".join(served) == "abcd"


async def test_a_cancelled_caller_leaves_the_queue() -> None:
    limiter, gate, served = FairLimiter("OpenAI", 1, 5), anyio.Event(), list[str]()

    async def call(name: str) -> None:
        async with limiter.slot(name, name, no_progress):
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


async def test_a_slot_given_to_a_cancelled_caller_goes_to_the_next() -> None:
    limiter, served, scopes = FairLimiter("OpenAI", 1, 5), list[str](), dict[str, anyio.CancelScope]()

    async def call(name: str) -> None:
        with anyio.CancelScope() as scopes[name]:
            async with limiter.slot(name, name, no_progress):
                served.append(name)

    async with anyio.create_task_group() as tasks, limiter.slot("holder", "holder", no_progress):
        for name in ("leaves", "stays"):
            tasks.start_soon(call, name)
            await anyio.lowlevel.checkpoint()
        scopes["leaves"].cancel()  # it has not run again yet when the turn comes
    assert served == ["stays"]
