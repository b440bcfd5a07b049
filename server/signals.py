"""How the process ends when it is asked to: not before what a vendor bills has come and is stored.

A second signal ends it at once. Where signals cannot be watched (Windows), they do what they always do.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import anyio

from atelier.server.unless import unless

SIGNALS = (signal.SIGINT, signal.SIGTERM)

PATIENCE = 2.0  # seconds that a host has to take the answers that are on their way to it
LOOK = 0.05  # seconds between two looks at what is left to do

Outcome = TypeVar("Outcome")


async def interruptible(work: Callable[[], Awaitable[Outcome]], told: Callable[[], None]) -> Outcome:
    """Do something that a signal cancels, as far as it lets itself be; KeyboardInterrupt when it did not finish.

    `told` is called at the signal, so that whoever pressed the keys knows why it takes a while.
    """

    async def tell(number: int) -> None:
        told()

    return await unless(partial(_at_the_first_signal, tell), work, KeyboardInterrupt)


async def until_idle(
    serve: Callable[[], Awaitable[None]],
    at_work: Callable[[], int],
    begin_to_end: Callable[[], None] | None = None,
    end: Callable[[], None] | None = None,
    on_the_way: Callable[[], int] = lambda: 0,
) -> int:
    """Serve until it ends by itself, or a signal comes and nothing is at work any more. Returns the exit code.

    `begin_to_end` is called at the signal, `end` when nothing is at work; without it the process ends there and then,
    because a thread that reads stdin would hold up an orderly end. Answers `on_the_way` are waited for a little.
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

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_at_the_first_signal, leave)
        await serve()
        tasks.cancel_scope.cancel()
    return code


async def _at_the_first_signal(act: Callable[[int], Awaitable[None]]) -> None:
    """Do something at the first signal, and let the system have its way with the next."""
    try:
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            number = await anext(aiter(signals))
    except NotImplementedError:
        await anyio.sleep_forever()
        return
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    await act(number)
