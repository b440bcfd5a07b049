"""How the process ends when it is asked to: not before what a vendor bills has come and is stored.

A second signal ends it at once. Where signals cannot be watched (Windows), they do what they always do. A terminal that
closes says so more than once (SIGHUP), and to a process that is to outlive it (`nohup`) nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import anyio

from atelier.providers.core.concurrency import race

INSISTING = (signal.SIGINT, signal.SIGTERM)
"""Signals of which a second one ends the process at once."""

PATIENCE = 2.0  # seconds that a host has to take the answers that are on their way to it
LOOK = 0.05  # seconds between two looks at what is left to do

Outcome = TypeVar("Outcome")


class EndedError(Exception):
    """The signal of that number came before the work was done."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


async def interruptible(work: Callable[[], Awaitable[Outcome]], told: Callable[[], None]) -> Outcome:
    """Do something that a signal cancels, as far as it lets itself be; EndedError when it did not finish.

    `told` is called at the signal, so that whoever pressed the keys knows why it takes a while.
    """
    scope, came = anyio.CancelScope(), list[int]()

    async def stop(number: int) -> None:
        came.append(number)
        scope.cancel()
        with suppress(OSError):  # it was the terminal that closed
            told()

    async def done() -> Outcome:
        with scope:
            return await work()
        raise EndedError(came[0])

    return await race(partial(_at_the_first_signal, stop), done, EndedError)


async def until_idle(
    serve: Callable[[], Awaitable[None]],
    at_work: Callable[[], int],
    begin_to_end: Callable[[], None] | None = None,
    end: Callable[[], None] | None = None,
    on_the_way: Callable[[], int] = lambda: 0,
    over: Callable[[], Awaitable[None]] = anyio.sleep_forever,
) -> int:
    """Serve until it ends by itself, or a signal comes and nothing is at work any more. Returns the exit code.

    `begin_to_end` is called at the signal, `end` when nothing is at work; without it the process ends there and then,
    because a thread that reads stdin would hold up an orderly end. So it does soon after everything is `over`, if it
    has not ended by itself. Answers `on_the_way` are waited for a little.
    """
    code = 0

    async def leave(number: int) -> None:
        nonlocal code
        code = 128 + number
        if begin_to_end:
            begin_to_end()
        patience = PATIENCE
        while (working := at_work()) or (on_the_way() and patience > 0):  # a call may still come, and is seen through
            await anyio.sleep(LOOK)
            patience -= 0 if working else LOOK
        if end is None:
            os._exit(code)
        end()

    async def leave_nobody() -> None:
        await over()
        await anyio.sleep(PATIENCE)
        os._exit(code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_at_the_first_signal, leave)
        tasks.start_soon(leave_nobody)
        await serve()
        tasks.cancel_scope.cancel()
    return code


async def _at_the_first_signal(act: Callable[[int], Awaitable[None]]) -> None:
    """Do something at the first signal, and let the system have its way with the next."""
    try:
        with anyio.open_signal_receiver(*INSISTING, *_of_the_terminal()) as signals:
            number = await anext(aiter(signals))
            for each in INSISTING:
                signal.signal(each, signal.SIG_DFL)
            await act(number)
            await anyio.sleep_forever()  # what the terminal says is not heard again, but it is still received
    except NotImplementedError:
        await anyio.sleep_forever()


def _of_the_terminal() -> list[signal.Signals]:
    """SIGHUP where the system has it, unless whoever started the process had it ignored."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return []
    return [signal.SIGHUP]
