"""Tests of the clients' connections, with a host that counts them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from atelier.providers.core.types import Endpoint
from atelier.providers.transport.network import proxies
from atelier.providers.transport.network.http_client import vendor_client
from tests.exhaustive import exhaustive

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def host(connections: list[SocketStream]) -> AsyncGenerator[str]:
    """Serve on a loopback port; each connection is noted and stays open."""

    async def answer(stream: SocketStream) -> None:
        connections.append(stream)
        async with stream:
            while True:
                try:
                    await stream.receive()
                except anyio.EndOfStream:
                    return
                await stream.send(ANSWER)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()


@exhaustive
async def test_a_connection_is_reused_at_once_but_not_when_its_host_may_be_closing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """uvicorn closes after five seconds; what is sent in that moment has an unknown outcome."""
    assert proxies.IDLE <= 4
    connections = list[SocketStream]()
    async with host(connections) as url, vendor_client(Endpoint(base_url=url), 5) as client:
        await client.get(url)
        await client.get(url)
        assert len(connections) == 1
        await anyio.sleep(proxies.IDLE + 0.2)
        await client.get(url)
        assert len(connections) == 2
