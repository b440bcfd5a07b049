"""Progress: at every word and in between, rising, and silent once the work has ended."""

from __future__ import annotations

import anyio
import pytest

from atelier.providers.core.concurrency import progress

pytestmark = pytest.mark.anyio


async def test_it_goes_on_between_the_words_and_stops_with_the_work() -> None:
    seen: list[tuple[str, float]] = []

    async def show(message: str, seconds: float) -> None:
        seen.append((message, seconds))
        shown.set()

    shown = anyio.Event()
    async with progress(show, interval=0.05, first="Looking.") as on_progress:
        await shown.wait()
        await on_progress("Drawing.")
        await anyio.sleep(0.2)
    told = len(seen)
    await on_progress("Too late.")
    await anyio.sleep(0.1)
    assert [message for message, _ in seen[:2]] == ["Looking.", "Drawing."]
    assert len(seen) == told >= 4
    assert [seconds for _, seconds in seen] == sorted(seconds for _, seconds in seen)


async def test_a_failure_comes_out_as_itself() -> None:
    async def show(message: str, seconds: float) -> None: ...

    with pytest.raises(KeyError):
        async with progress(show, interval=1):
            raise KeyError


async def test_a_watcher_who_has_gone_does_not_break_the_work() -> None:
    async def show(message: str, seconds: float) -> None:
        raise ConnectionError

    async with progress(show, interval=0.01, first="Looking.") as on_progress:
        await on_progress("Drawing.")
        await anyio.sleep(0.05)
        done = True
    assert done


async def test_a_call_that_is_answered_at_once_shows_nothing_and_is_not_held_up() -> None:
    """TypeScript SDKs fail a call whose progress comes together with its answer."""
    seen: list[str] = []

    async def show(message: str, seconds: float) -> None:
        seen.append(message)

    async with progress(show, interval=60, first="Looking.", delay=60, gap=60) as on_progress:
        await on_progress("Drawing.")
        await anyio.wait_all_tasks_blocked()
    assert seen == []


async def test_only_the_latest_word_of_the_quiet_time_is_shown() -> None:
    seen: list[str] = []
    shown = anyio.Event()

    async def show(message: str, seconds: float) -> None:
        seen.append(message)
        shown.set()

    async with progress(show, interval=60, first="Looking.", delay=0.05) as on_progress:
        await on_progress("Drawing.")
        await on_progress("Storing.")
        await shown.wait()
    assert seen == ["Storing."]


async def test_the_last_word_and_the_end_lie_apart() -> None:
    shown_at: list[float] = []

    async def show(message: str, seconds: float) -> None:
        shown_at.append(anyio.current_time())

    async with progress(show, interval=60, first="Looking.", gap=0.2):
        await anyio.wait_all_tasks_blocked()
    assert anyio.current_time() - shown_at[-1] >= 0.19


async def test_a_watcher_who_never_reads_holds_up_neither_the_work_nor_the_end() -> None:
    async def show(message: str, seconds: float) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with progress(show, interval=0.01, first="Looking.") as on_progress:
            for word in ("Drawing.", "Storing."):
                await anyio.wait_all_tasks_blocked()
                await on_progress(word)
