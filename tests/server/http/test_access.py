"""When an answer has left: its last byte was sent, and somebody was there."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from atelier.server.calls import on_delivery
from atelier.server.http.access import AccessMiddleware, caller
from tests.server.http.test_auth import shared
from tests.server.http_process import token

pytestmark = pytest.mark.anyio

WHOLE: list[Message] = [{"type": "http.response.start"}, {"type": "http.response.body", "more_body": False}]
HALF: list[Message] = [{"type": "http.response.start"}, {"type": "http.response.body", "more_body": True}]


async def passed(said: list[Message], *, gone_before: bool) -> tuple[list[str], list[Message]]:
    """What was done because an answer had left, and what was sent of it."""
    acts, sent = list[str](), list[Message]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        who = caller()
        on_delivery(lambda: acts.append(who))
        if gone_before:
            await receive()
        for message in said:
            assert acts == []
            await send(message)
        await receive()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token()}".encode())]
    scope: Scope = {
        "type": "http", "method": "GET", "path": "/image/last", "scheme": "http", "query_string": b"",
        "headers": headers, "server": ("localhost", 80),
    }  # fmt: skip
    await AccessMiddleware(app, shared(), local=True)(scope, receive, send)
    return acts, sent


async def test_what_is_to_be_done_then_is_done_after_the_last_byte() -> None:
    assert await passed(WHOLE, gone_before=False) == (["alice"], WHOLE)


@pytest.mark.parametrize(("said", "gone_before"), [(WHOLE, True), (HALF, False), ([], False), ([], True)])
async def test_and_not_at_all_when_nobody_was_there_or_it_broke_off(said: list[Message], gone_before: bool) -> None:
    assert await passed(said, gone_before=gone_before) == ([], said)
