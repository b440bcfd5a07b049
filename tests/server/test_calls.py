"""The limits of each caller: calls a minute, and calls at once."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.calls import CallerLimits

pytestmark = pytest.mark.anyio


async def test_a_caller_may_begin_so_many_calls_a_minute_and_others_are_not_held_up() -> None:
    now = 0.0
    limits = CallerLimits(6, None, lambda: now)

    async def call(caller: str) -> None:
        async with limits.slot(caller):
            pass

    for _ in range(6):
        await call("alice")
    with pytest.raises(ImageError) as caught:
        await call("alice")
    assert caught.value.reason is Reason.RATE_LIMITED
    assert caught.value.retry_after == 10.0
    await call("bob")
    now = 9.9
    with pytest.raises(ImageError):
        await call("alice")
    now = 10.0
    await call("alice")
    now = 1000.0
    for _ in range(6):  # idle minutes are not saved up
        await call("alice")
    with pytest.raises(ImageError):
        await call("alice")


async def test_a_caller_has_so_many_calls_at_once_however_they_end() -> None:
    limits = CallerLimits(None, 2)
    async with AsyncExitStack() as calls:
        for _ in range(2):
            await calls.enter_async_context(limits.slot("alice"))
        with pytest.raises(ImageError) as caught:
            async with limits.slot("alice"):
                pass
        assert (caught.value.reason, caught.value.retry_after) == (Reason.RATE_LIMITED, 1.0)
        async with limits.slot("bob"):
            pass
    with pytest.raises(RuntimeError):
        async with limits.slot("alice"):
            raise RuntimeError
    async with AsyncExitStack() as calls:
        for _ in range(2):
            await calls.enter_async_context(limits.slot("alice"))
