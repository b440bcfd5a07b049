"""A proxy of TCP and HTTP on a loopback port that breaks what passes through it, each request as it is told.

It stands between Atelier and an emulator, or Atelier and the S3 server. Each connection bears one exchange. What the
upstream says of its own address leads through the proxy as well, so that polls and downloads come by.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from atelier.providers.testing.waiting import LONG, Gate
from atelier.providers.transport.network.http_client import httpx


class Upstream(Protocol):
    """Whatever listens on a loopback port."""

    port: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What the upstream said."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def head(self, length: int | None = None) -> bytes:
        """Status line and headers, with another length if one is given."""
        size = len(self.body) if length is None else length
        skipped = ("content-length", "transfer-encoding", "connection", "date", "server")
        kept = [f"{name}: {value}\r\n" for name, value in self.headers if name.lower() not in skipped]
        lines = f"HTTP/1.1 {self.status} X\r\n{''.join(kept)}content-length: {size}\r\nconnection: close\r\n\r\n"
        return lines.encode("latin-1")


@dataclass(slots=True)
class Exchange:
    """One request on its way."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    forward: Callable[[Exchange, bytes], Coroutine[Any, Any, Answered]]

    async def body(self) -> bytes:
        """All that the client sends."""
        named = {name.lower(): value for name, value in self.headers}
        if "expect" in named:
            await self.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        if named.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(named.get("content-length", "0")))
        parts = list[bytes]()
        while size := int(await self.reader.readline(), 16):
            parts.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readline()
        return b"".join(parts)

    async def answer(self) -> Answered:
        """What the upstream says to it."""
        return await self.forward(self, await self.body())

    async def say(self, data: bytes) -> None:
        """Some bytes to the client."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with a RST."""
        taken: socket.socket = self.writer.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Fault(Protocol):
    """What becomes of an exchange."""

    async def __call__(self, exchange: Exchange) -> None: ...


async def passed(exchange: Exchange) -> None:
    """Nothing happens to it."""
    answer = await exchange.answer()
    await exchange.say(answer.head() + answer.body)


async def reset_early(exchange: Exchange) -> None:
    """A reset before the body is taken."""
    exchange.reset()


async def reset_unheard(exchange: Exchange) -> None:
    """A reset after the body, which never gets to the upstream."""
    await exchange.body()
    exchange.reset()


async def reset_late(exchange: Exchange) -> None:
    """A reset once the upstream has answered."""
    await exchange.answer()
    exchange.reset()


async def reset_midway(exchange: Exchange) -> None:
    """A reset in the middle of the answer."""
    answer = await exchange.answer()
    await exchange.say(answer.head() + answer.body[: len(answer.body) // 2])
    exchange.reset()


async def dripping(exchange: Exchange) -> None:
    """A byte now and then: no read timeout ever strikes."""
    answer = await exchange.answer()
    await exchange.say(answer.head())
    for byte in answer.body:
        await asyncio.sleep(0.05)
        await exchange.say(bytes([byte]))


async def silent(exchange: Exchange) -> None:
    """The upstream answers, the client never hears of it."""
    await exchange.answer()
    await exchange.reader.read()


async def truncated(exchange: Exchange) -> None:
    """Half of the answer, said to be all of it."""
    answer = await exchange.answer()
    half = answer.body[: len(answer.body) // 2]
    await exchange.say(answer.head(len(half)) + half)


async def too_long(exchange: Exchange) -> None:
    """More is announced than comes."""
    answer = await exchange.answer()
    await exchange.say(answer.head(len(answer.body) + 100) + answer.body)


@dataclass(frozen=True, slots=True)
class Says:
    """An answer of the proxy's own; the upstream never hears of the request."""

    status: int
    body: bytes = b'{"error": {"message": "Said by the vendor."}}'
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"), ("retry-after", "0"))

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.body()
        answer = Answered(self.status, self.headers, self.body)
        await exchange.say(answer.head() + answer.body)


@dataclass(slots=True)
class Held(Gate):
    """The upstream's answer waits until it is let go."""

    async def __call__(self, exchange: Exchange) -> None:
        answer = await exchange.answer()
        await self.passed()
        await exchange.say(answer.head() + answer.body)


def kind_of(method: str, path: str) -> str:
    """What a request is for: `put` anything new, `poll` a task, `get` a picture."""
    if method in ("POST", "PUT"):
        return "put"
    return "poll" if "get_result" in path or "/v2beta/results/" in path else "get"


class Proxy:
    """Before one upstream. Use as a context manager; `url` is its root.

    `script` holds what happens to the next requests of a kind, `always` what happens to all others of it; see
    `kind_of`. `seen` are the kinds of all that came. With `rewrites` the upstream's address becomes the proxy's.
    """

    def __init__(self, upstream: Upstream, *, rewrites: bool = True) -> None:
        self.upstream = upstream
        self.port = 0
        self.script: dict[str, deque[Fault | None]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}
        self.seen: list[str] = []
        self._rewrites = rewrites
        self._exchanges: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """As if just begun."""
        self.script.clear()
        self.always.clear()
        self.seen.clear()

    def cut(self) -> None:
        """End what is still under way, so that nothing of it reaches the upstream any more."""
        self._do(self._cut())

    def next(self, kind: str, *faults: Fault | None) -> None:
        """What happens to the next requests of a kind, in order; None lets one pass."""
        self.script[kind].extend(faults)

    @contextlib.contextmanager
    def down(self) -> Generator[None]:
        """Within the block nothing listens: connections are refused."""
        self._do(self._close())
        try:
            yield
        finally:
            self._do(self._open())

    @contextlib.contextmanager
    def serving(self) -> Generator[None]:
        """Serve on a free loopback port until the block ends."""
        started = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        thread.start()
        assert started.wait(LONG), "the proxy does not start"
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join(10)

    def _do(self, prepared: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(prepared, self._loop).result(LONG)

    async def _serve(self, started: threading.Event) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with httpx.AsyncClient(trust_env=False, timeout=60) as self._client:
            await self._open()
            started.set()
            await self._over.wait()
            await self._close()
            await self._cut()

    async def _cut(self) -> None:
        exchanges = list(self._exchanges)
        for task in exchanges:
            task.cancel()
        await asyncio.gather(*exchanges, return_exceptions=True)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()

    def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._exchange(reader, writer))
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            method, path, _ = (await reader.readline()).decode("latin-1").split(" ")
            headers = list[tuple[str, str]]()
            while (line := (await reader.readline()).decode("latin-1").strip()) != "":
                name, _, value = line.partition(":")
                headers.append((name, value.strip()))
            kind = kind_of(method, path)
            self.seen.append(kind)
            waiting = self.script[kind]
            fault = (waiting.popleft() if waiting else self.always.get(kind)) or passed
            await fault(Exchange(method, path, headers, reader, writer, self._forwarded))
        except (ValueError, OSError, EOFError, httpx.HTTPError):
            pass  # whichever side it was has gone
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _forwarded(self, exchange: Exchange, body: bytes) -> Answered:
        hop = ("connection", "expect", "transfer-encoding", "content-length")
        headers = [(name, value) for name, value in exchange.headers if name.lower() not in hop]
        url = f"http://127.0.0.1:{self.upstream.port}{exchange.path}"
        answer = await self._client.request(exchange.method, url, headers=headers, content=body)
        there, here = f"127.0.0.1:{self.upstream.port}", f"127.0.0.1:{self.port}"
        if not self._rewrites:
            return Answered(answer.status_code, tuple(answer.headers.multi_items()), answer.content)
        told = tuple((name, value.replace(there, here)) for name, value in answer.headers.multi_items())
        return Answered(answer.status_code, told, answer.content.replace(there.encode(), here.encode()))
