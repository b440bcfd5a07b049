"""Wait for conditions, with one generous timeout for all of them, so that a slow machine fails no test."""

from __future__ import annotations

import contextlib
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

LONG = 30.0  # seconds


def source_of(condition: Callable[[], object]) -> str:
    """Return the line that a lambda stands in, or the name of another callable."""
    name = getattr(condition, "__qualname__", repr(condition))
    with contextlib.suppress(OSError, TypeError):
        return inspect.getsource(condition).strip() if name.endswith("<lambda>") else name
    return name


def until(true: Callable[[], object]) -> None:
    """Wait until the condition is true. Fails after LONG seconds."""
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end, f"not true within {LONG:.0f} s: {source_of(true)}"
        time.sleep(0.002)


async def eventually(true: Callable[[], object]) -> None:
    """Wait like `until`, in an event loop."""
    end = anyio.current_time() + LONG
    while not true():
        assert anyio.current_time() < end, f"not true within {LONG:.0f} s: {source_of(true)}"
        await anyio.sleep(0.005)


@dataclass(slots=True)
class Gate:
    """A point at which a task pauses until the test sets `go`, or until a failed test's timeout has passed."""

    here: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    async def passed(self) -> None:
        """Set `here` and pause until `go` is set."""
        self.here.set()
        with anyio.move_on_after(2 * LONG):
            while not self.go.is_set():  # noqa: ASYNC110 - a test sets it from another thread
                await anyio.sleep(0.005)

    def wait(self) -> None:
        """Wait until a task pauses here."""
        assert self.here.wait(LONG), f"no task arrived within {LONG:.0f} s"

    async def arrival(self) -> None:
        """Wait like `wait`, in an event loop."""
        await eventually(self.here.is_set)


async def leave(
    call: Callable[[], Awaitable[object]], when: Callable[[], Awaitable[object]], then: Callable[[], object] = bool
) -> None:
    """Cancel the call once `when` has returned, then call `then`. Fails when the call ends before that."""
    caller = anyio.CancelScope()

    async def go() -> None:
        with anyio.fail_after(LONG):
            await when()
        caller.cancel()
        then()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go)
        with caller:
            await call()
        tasks.cancel_scope.cancel()
    assert caller.cancelled_caught, "the call ended before it was cancelled"
