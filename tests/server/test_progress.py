"""Progress: at every word and in between, rising, and silent once the work has ended."""

from __future__ import annotations

import anyio
import pytest

from atelier.server.progress import progress

pytestmark = pytest.mark.anyio


async def test_it_goes_on_between_the_words_and_stops_with_the_work() -> None:
    seen: list[tuple[str, float]] = []

    async def show(message: str, seconds: float) -> None:
        seen.append((message, seconds))

    async with progress(show, every=0.05, first="Looking.") as tell:
        await tell("Drawing.")
        await anyio.sleep(0.2)
    told = len(seen)
    await tell("Too late.")
    await anyio.sleep(0.1)
    assert [message for message, _ in seen[:2]] == ["Looking.", "Drawing."]
    assert len(seen) == told >= 4
    assert [seconds for _, seconds in seen] == sorted(seconds for _, seconds in seen)


async def test_a_failure_comes_out_as_itself() -> None:
    async def show(message: str, seconds: float) -> None: ...

    with pytest.raises(KeyError):
        async with progress(show, every=1):
            raise KeyError


async def test_a_watcher_who_has_gone_does_not_break_the_work() -> None:
    async def show(message: str, seconds: float) -> None:
        raise ConnectionError

    async with progress(show, every=0.01, first="Looking.") as tell:
        await tell("Drawing.")
        await anyio.sleep(0.05)
        done = True
    assert done
