"""Waiting for what has to come: one generous deadline for everything, since no machine has to be fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

LONG = 30.0  # seconds in which everything has to have happened


def until(true: Callable[[], object]) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.002)


async def eventually(true: Callable[[], object]) -> None:
    """The same, in an event loop."""
    end = anyio.current_time() + LONG
    while not true():
        assert anyio.current_time() < end, "it did not come"
        await anyio.sleep(0.005)


@dataclass(slots=True)
class Gate:
    """A place where others stand until a test lets them go. A test that has failed does not keep them for ever."""

    here: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    async def passed(self) -> None:
        """Be here, and stand until one may go."""
        self.here.set()
        with anyio.move_on_after(2 * LONG):
            while not self.go.is_set():
                await anyio.sleep(0.005)

    def wait(self) -> None:
        """Wait until somebody is here."""
        assert self.here.wait(LONG), "nobody came"

    async def arrival(self) -> None:
        """The same, in an event loop."""
        await eventually(self.here.is_set)


async def leave(
    call: Callable[[], Awaitable[object]], when: Callable[[], Awaitable[object]], then: Callable[[], object] = bool
) -> None:
    """Call, and go away once something has come, before there is an answer; and do something right after."""
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
    assert caller.cancelled_caught, "it was answered before its caller went away"
