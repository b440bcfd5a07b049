"""Ends the process on a signal, after all billed images are stored.

A second signal ends it at once. Where signals cannot be watched (Windows), they keep their default effect. A closing
terminal may send SIGHUP several times; a process that was started to outlive it (`nohup`) ignores them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

import anyio

from atelier.providers.core.concurrency import race

END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Signals of which a second one ends the process at once."""

DELIVERY_TIMEOUT = 2.0  # seconds for a host to read the answers that are being written
IDLE_POLL_INTERVAL = 0.05  # seconds

Outcome = TypeVar("Outcome")


class EndedError(Exception):
    """A signal came before the work was done. `code` is the exit code that shells expect."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


async def interruptible(action: Callable[[], Awaitable[Outcome]], on_signal: Callable[[], None]) -> Outcome:
    """Do something that a signal cancels, except for its shielded parts. Raises EndedError when it did not finish.

    `on_signal` is called at the signal, to explain why the end may take a while.
    """
    scope, received = anyio.CancelScope(), list[int]()

    async def stop(number: int) -> None:
        received.append(number)
        scope.cancel()
        with suppress(OSError):  # the terminal was closed
            on_signal()

    async def run() -> Outcome:
        with scope:
            return await action()
        raise EndedError(received[0])

    return await race(partial(_on_first_signal, stop), run, EndedError)


async def until_idle(
    serve: Callable[[], Coroutine[Any, Any, None]],
    running: Callable[[], int],
    on_signal: Callable[[], None] | None = None,
    end: Callable[[], None] | None = None,
    unwritten: Callable[[], int] = lambda: 0,
    finished: Callable[[], Awaitable[None]] = anyio.sleep_forever,
    before_exit: Callable[[], None] = lambda: None,
) -> int:
    """Serve until `serve` returns, or a signal comes and no job or call is running. Returns the exit code.

    `on_signal` is called at the signal and `end` once the server is idle. Without `end` the process exits at once then,
    because a thread that reads stdin would hold up an orderly end; so it does shortly after `finished` returns, if
    `serve` has not returned by then. Answers that are `unwritten` get DELIVERY_TIMEOUT. `before_exit` is called before
    an exit at once.
    """
    code = 0

    def exit_now() -> NoReturn:
        before_exit()
        os._exit(code)

    async def shut_down(number: int) -> None:
        nonlocal code
        code = 128 + number
        if on_signal:
            on_signal()
        remaining = DELIVERY_TIMEOUT
        while (busy := running()) or (unwritten() and remaining > 0):  # a call that still arrives is answered
            await anyio.sleep(IDLE_POLL_INTERVAL)
            remaining -= 0 if busy else IDLE_POLL_INTERVAL
        if end is None:
            exit_now()
        end()

    async def exit_when_finished() -> None:
        await finished()
        await anyio.sleep(DELIVERY_TIMEOUT)
        exit_now()

    async with anyio.create_task_group() as watchers:
        watchers.start_soon(_on_first_signal, shut_down)
        watchers.start_soon(exit_when_finished)
        async with anyio.create_task_group() as serving:
            serving.start_soon(serve)
        watchers.cancel_scope.cancel()
    return code


async def _on_first_signal(act: Callable[[int], Awaitable[None]]) -> None:
    """Do something at the first signal, and restore the default effect of the next."""
    try:
        with anyio.open_signal_receiver(*END_SIGNALS, *_terminal_signals()) as signals:
            number = await anext(aiter(signals))
            for each in END_SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            await act(number)
            await anyio.sleep_forever()  # a further SIGHUP is received, so that it does not end the process
    except NotImplementedError:
        await anyio.sleep_forever()


def _terminal_signals() -> list[signal.Signals]:
    """Return SIGHUP where the platform has it and the process was not started to ignore it."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return []
    return [signal.SIGHUP]
