"""Jobs that run: once they are stopped nothing more is sent, also by those that begin after that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError
from atelier.providers.testing.emulators.openai import OpenAI
from tests.providers.jobs.conftest import FOX, Open

pytestmark = pytest.mark.anyio


async def test_a_call_that_comes_to_the_desk_after_it_was_stopped_is_not_sent(
    service: Open, rows: Callable[[], Any], openai: OpenAI
) -> None:
    async with service() as one:
        one.stop_unsent()
        with pytest.raises(ImageError) as caught:
            await one.submit(FOX)
    assert "nothing was sent" in caught.value.message
    assert openai.requests == []
    (row,) = await rows()
    assert (row.state, row.reserved_usd) == ("cancelled", 0)
