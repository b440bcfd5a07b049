"""Work that breaks off when something else happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

Outcome = TypeVar("Outcome")


async def race(
    happens: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[Outcome]], otherwise: type[BaseException]
) -> Outcome:
    """Do something, and cancel it when something else happens; then `otherwise` is raised, unless it finished."""
    box, failure = list[Outcome](), None

    async def watch() -> None:
        await happens()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            box.append(await work())
        except Exception as error:  # noqa: BLE001 - raised again outside, for a task group would wrap it
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not box:
        raise otherwise
    return box[0]
