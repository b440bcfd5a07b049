"""The real process over HTTP, and callers with tokens."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import jwt
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from atelier.providers.testing.waiting import LONG, until
from atelier.providers.transport.network.http_client import httpx
from tests.conftest import Environ
from tests.leaks import JWT_SECRET, check
from tests.server.process import started

SECRET = JWT_SECRET

SKETCH = {"prompt": "a fox", "model": "sketch", "size": "64x64"}
FOX = {"prompt": "a fox", "model": "gpt-image-2.5-flare", "size": "1024x1024", "quality": "low"}

OUTSIDE = ("prompt", "image", "images", "mask", "customer_id", "save_to_db", "request_id")
"""Parameters that are not among the settings."""


def token(caller: str = "alice", *, secret: str = SECRET, **claims: Any) -> str:
    """A token as an identity provider would sign it; a claim of None is left out."""
    said = {"sub": caller, "exp": int(time.time()) + 86_400, **claims}
    return jwt.encode({name: value for name, value in said.items() if value is not None}, secret, "HS256")


def body_of(asked: dict[str, Any]) -> dict[str, Any]:
    """The body of the contract with these parameters of a tool."""
    outside = {name: asked[name] for name in OUTSIDE if name in asked}
    return {**outside, "settings": {"image": {name: value for name, value in asked.items() if name not in OUTSIDE}}}


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says, in its one envelope."""
    found = answer.json()
    assert (found.keys(), found["success"]) == ({"success", "code", "data"}, True), answer.text
    assert found["code"] == answer.status_code
    return found["data"]


def reason(answer: httpx.Response) -> str:
    """That of a refusal, which is JSON in its one shape."""
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert (found.keys(), found["success"]) == ({"success", "code", "error"}, False), answer.text
    assert found["code"] == answer.status_code
    error = found["error"]
    assert error.keys() == {"reason", "message", "hint", "retryable", "retry_after", "facts"}
    assert "Traceback" not in answer.text
    return error["reason"]


@dataclass
class Server:
    """The process, where it listens, and the lines of its log."""

    process: subprocess.Popen[str]
    lines: list[str]
    environ: Environ
    url: str = ""

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.lines]

    def web(self, caller: str | None = "alice", **claims: Any) -> httpx.Client:
        """A client of plain HTTP; None has no token."""
        headers = {} if caller is None else {"Authorization": f"Bearer {token(caller, **claims)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=LONG, trust_env=False)

    def draw(self, asked: dict[str, Any], caller: str = "alice", key: str | None = None) -> httpx.Response:
        """POST /image/generate"""
        headers = {} if key is None else {"Idempotency-Key": key}
        with self.web(caller) as web:
            return web.post("/image/generate", json=body_of(asked), headers=headers)

    def get(self, path: str, caller: str | None = "alice") -> httpx.Response:
        """GET"""
        with self.web(caller) as web:
            return web.get(path)

    @contextlib.asynccontextmanager
    async def mcp(self, caller: str = "alice", mode: Any = "auto", **options: Any) -> AsyncGenerator[Client]:
        """The official client."""
        headers = {"Authorization": f"Bearer {token(caller)}"}
        async with (
            httpx.AsyncClient(headers=headers, timeout=LONG, trust_env=False) as web,
            Client(streamable_http_client(f"{self.url}/mcp", http_client=web), mode=mode, **options) as client,
        ):
            yield client


@contextlib.contextmanager
def serving(environ: Environ, *arguments: str, program: Sequence[str] = ("-m", "atelier.server")) -> Generator[Server]:
    """Serve on a free port until the block ends. Nothing may be written to stdout."""
    environ = {"ATELIER_JWT_SECRET": SECRET, **environ}
    if "ATELIER_JWKS_URL" in environ:
        del environ["ATELIER_JWT_SECRET"]
    command = [sys.executable, *program, "serve", "--http", "--port", "0", *arguments]
    process = started(environ, command, subprocess.DEVNULL)
    with process:
        assert process.stderr is not None
        assert process.stdout is not None
        server = Server(process, [], environ)
        reader = threading.Thread(target=_read, args=(process.stderr, server.lines), daemon=True)
        reader.start()
        try:
            until(lambda: server.lines or process.poll() is not None)
            server.url = next(line["address"] for line in server.log if line["event"] == "listening")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(LONG)
            except subprocess.TimeoutExpired:
                process.kill()
            reader.join(LONG)
        assert process.stdout.read() == ""
        check("".join(server.lines), "stderr of the server")


def _read(stream: IO[str], lines: list[str]) -> None:
    lines.extend(iter(stream.readline, ""))


@contextlib.contextmanager
def meanwhile(ask: Callable[[], httpx.Response]) -> Generator[list[httpx.Response]]:
    """Ask in a thread during the block; the answer is there after it."""
    answers = list[httpx.Response]()
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    yield answers
    thread.join(LONG)
