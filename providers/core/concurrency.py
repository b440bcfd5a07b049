"""What becomes of work when whoever asked for it goes away."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TypeVar

import anyio

from atelier.providers.core.errors import ImageError, Reason, internal_error

Outcome = TypeVar("Outcome")


def is_cancelled() -> bool:
    """Whether the caller was cancelled; to be asked before the next await, which would raise."""
    return anyio.current_effective_deadline() == -math.inf


async def run_in_scope(scope: anyio.CancelScope, work: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Do something in a scope that may be shielded, or become so meanwhile, and that is never cancelled itself."""
    box = list[Outcome]()
    with scope:
        box.append(await work())
    return box[0]


async def run_shielded(work: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Do something that a cancelled caller does not break off."""
    return await run_in_scope(anyio.CancelScope(shield=True), work)


async def run_concurrently(
    work: Sequence[Callable[[], Awaitable[Outcome]]],
    stop: anyio.CancelScope | None = None,
    final: Collection[Reason] = (),
) -> list[Outcome | ImageError]:
    """Do several things at once; an ImageError of one is its outcome and leaves the others alone.

    `stop` cancels those that let themselves be, and so does an error for one of the `final` reasons, which the others
    would meet as well: it is their outcome too.
    """
    outcomes: dict[int, Outcome | ImageError] = {}
    met, stop = list[ImageError](), stop or anyio.CancelScope()

    async def run(index: int) -> None:
        try:
            outcomes[index] = await work[index]()
        except ImageError as error:
            outcomes[index] = error
            if error.reason in final:
                met.append(error)
                stop.cancel()
        except Exception as error:  # noqa: BLE001 - it must not cost what comes of the others
            outcomes[index] = told = internal_error()
            told.__cause__ = error

    with stop:
        async with anyio.create_task_group() as tasks:
            for index in range(len(work)):
                tasks.start_soon(run, index)
    missing = met[0] if met else ImageError(Reason.NETWORK_ERROR, "The caller went away; nothing was sent.")
    return [outcomes.get(index, missing) for index in range(len(work))]


async def race(
    event: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[Outcome]], lost: type[BaseException]
) -> Outcome:
    """Do something, and cancel it when an event comes first; `lost` is raised if it did not finish all the same."""
    box, failure = list[Outcome](), None

    async def watch() -> None:
        await event()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            box.append(await work())
        except Exception as error:  # noqa: BLE001 - raised again outside, since a task group would wrap it
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not box:
        raise lost
    return box[0]


async def run_with_progress(told: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Do something while it is told. Whoever does not listen holds nothing up, and loses nothing."""
    outcomes = list[Outcome | ImageError]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_concurrently, [told])
        outcomes += await run_concurrently([work])
        tasks.cancel_scope.cancel()
    if isinstance(outcomes[0], ImageError):
        raise outcomes[0]
    return outcomes[0]


async def no_progress(message: str) -> None:
    """The progress callback of a caller who wants none."""
