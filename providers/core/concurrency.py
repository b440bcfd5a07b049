"""Run functions concurrently, in a thread, or shielded from cancellation, and report its progress."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

import anyio
from anyio.lowlevel import RunVar

from atelier.providers.core.errors import ImageError, Reason, internal_error
from atelier.providers.core.types import Progress

Arguments = ParamSpec("Arguments")
Outcome = TypeVar("Outcome")

_processors = RunVar[anyio.CapacityLimiter]("processors")  # of one event loop; a program may have several

PROGRESS_TIMEOUT = 1.0  # seconds


class PartialImage(str):
    """The message with the bytes of the image; the first has `number` 0. Progress callbacks get it."""

    image_bytes: bytes
    number: int

    def __new__(cls, message: str, image_bytes: bytes, number: int) -> PartialImage:
        """Return the message with its image."""
        made = super().__new__(cls, message)
        made.image_bytes, made.number = image_bytes, number
        return made


def is_cancelled() -> bool:
    """Whether the caller was cancelled. Ask before the next await, which would raise."""
    return anyio.current_effective_deadline() == -math.inf


async def run_shielded(action: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Return the result of an action that finishes even if its caller is cancelled."""
    with anyio.CancelScope(shield=True):
        return await action()
    raise AssertionError("the scope is never cancelled itself")


async def run_on_processor(
    function: Callable[Arguments, Outcome], *args: Arguments.args, **named: Arguments.kwargs
) -> Outcome:
    """Return the result of a function that computes, run in a thread; at most one per processor runs at a time.

    More would take as long together, while the pixels of each are in memory.
    """
    limiter = _processors.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(os.cpu_count() or 1)
        _processors.set(limiter)
    return await anyio.to_thread.run_sync(partial(function, *args, **named), limiter=limiter)


class Deferred(Generic[Outcome]):
    """An object whose module is slow to import, with async methods only: the first call makes it in a thread.

    From then on the methods are those of the object.
    """

    def __init__(self, make: Callable[[], Outcome]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Outcome | None = None

    def load(self) -> Outcome:
        """Return the object, which the first call makes. Call it in a thread."""
        with self._lock:
            if self._made is None:
                self._made = made = self._make()
                for name in dir(made):
                    if not name.startswith("_"):
                        vars(self).setdefault(name, getattr(made, name))
            return self._made

    async def aclose(self) -> None:
        """Do nothing: an object that was made has its own `aclose` here."""

    def __getattr__(self, name: str) -> Any:
        async def method(*args: Any, **named: Any) -> Any:
            return await getattr(await anyio.to_thread.run_sync(self.load), name)(*args, **named)

        return method


async def run_concurrently(
    actions: Sequence[Callable[[], Awaitable[Outcome]]],
    stop: anyio.CancelScope | None = None,
    stop_on: Collection[Reason] = (),
) -> list[Outcome | ImageError]:
    """Run actions concurrently and return the result or ImageError of each.

    Cancelling `stop` cancels the actions that are not shielded. So does an error with a reason in `stop_on`, which the
    other actions would run into as well: it becomes the outcome of those that were cancelled.
    """
    outcomes: dict[int, Outcome | ImageError] = {}
    final_errors, stop = list[ImageError](), stop or anyio.CancelScope()

    async def run(index: int) -> None:
        try:
            outcomes[index] = await actions[index]()
        except ImageError as error:
            outcomes[index] = error
            if error.reason in stop_on:
                final_errors.append(error)
                stop.cancel()
        except Exception as error:  # noqa: BLE001 - it must not cancel the other actions
            outcomes[index] = failure = internal_error()
            failure.__cause__ = error

    with stop:
        async with anyio.create_task_group() as tasks:
            for index in range(len(actions)):
                tasks.start_soon(run, index)
    cancelled = ImageError(Reason.NETWORK_ERROR, "The caller was cancelled; nothing was sent.")
    missing = final_errors[0] if final_errors else cancelled
    return [outcomes.get(index, missing) for index in range(len(actions))]


async def race(
    event: Callable[[], Awaitable[None]], action: Callable[[], Awaitable[Outcome]], lost: type[BaseException]
) -> Outcome:
    """Do something, and cancel it when an event comes first; `lost` is raised if it did not finish all the same."""
    box, failure = list[Outcome](), None

    async def watch() -> None:
        await event()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            box.append(await action())
        except Exception as error:  # noqa: BLE001 - raised again outside, since a task group would wrap it
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not box:
        raise lost
    return box[0]


async def run_beside(companion: Callable[[], Awaitable[None]], action: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Return the result of an action, with a companion that runs until the action ends and never raises."""

    async def whole_time() -> None:
        await companion()
        await anyio.sleep_forever()

    return await race(whole_time, action, AssertionError)


async def report(on_progress: Progress, message: str) -> None:
    """Report progress while a paid image is in memory: a callback that fails or blocks must not lose it."""
    with suppress(Exception), anyio.move_on_after(PROGRESS_TIMEOUT):
        await on_progress(message)


async def no_progress(message: str) -> None:
    """Discard a progress message: the callback for callers that want none."""


Show = Callable[[str, float], Awaitable[None]]
"""Shows a progress message, with the seconds since the beginning of the call."""


@asynccontextmanager
async def progress(
    show: Show, interval: float, *, first: str = "", delay: float = 0.0, gap: float = 0.0
) -> AsyncGenerator[Progress]:
    """Yield the progress callback of a call; show `first`, each message, and the latest again every `interval` seconds.

    Nothing is shown during the first `delay` seconds or after the block. The block ends at least `gap` seconds after
    the last message: the TypeScript SDK fails a call whose progress notification arrives together with its answer
    ("unknown token").
    """
    began = time.monotonic()
    latest, changed, shown_at = first, anyio.Event(), 0.0

    async def on_progress(message: str) -> None:
        nonlocal latest
        latest = message or latest
        changed.set()

    async def show_updates() -> None:
        nonlocal changed, shown_at
        await anyio.sleep(delay)
        while True:
            changed = anyio.Event()
            if latest:
                shown_at = time.monotonic()
                try:
                    await show(latest, shown_at - began)
                except Exception:  # noqa: BLE001 - the client has disconnected; the call, which may be paid for, continues
                    return
            with anyio.move_on_after(interval):
                await changed.wait()

    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show_updates)
        try:
            yield on_progress
        except Exception as error:  # noqa: BLE001 - raised again below: the task group would wrap it in a group
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    if shown_at:
        await anyio.sleep(max(0.0, shown_at + gap - time.monotonic()))
    if failure is not None:
        raise failure
