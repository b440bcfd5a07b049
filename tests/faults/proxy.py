"""A proxy before a vendor that breaks things on the way, and keeps account of what was billed and what arrived."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx2 as httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.emulators.server import Emulator

Bill = Callable[[dict[str, Any]], Decimal | None]
"""From a vendor's answer to what it bills in USD; None where it bills nothing."""


def openai_bill(answer: dict[str, Any]) -> Decimal | None:
    """Its own price page: text in 5, pictures out 30 USD a million tokens (GPT Image 2.5, 2026-11)."""
    usage = answer.get("usage")
    return usage and (Decimal(usage["input_tokens"]) * 5 + Decimal(usage["output_tokens"]) * 30) / 1_000_000


def flux_bill(answer: dict[str, Any]) -> Decimal | None:
    """Credits of a cent, stated when the task is taken."""
    return Decimal(str(answer["cost"])) / 100 if "cost" in answer else None


def xai_bill(answer: dict[str, Any]) -> Decimal | None:
    """Ticks of 1e-10 USD, stated with the picture."""
    usage = answer.get("usage")
    return usage and Decimal(usage["cost_in_usd_ticks"]) / 10**10


class Proxy(Emulator):
    """Passes requests on to `target` unless its script says otherwise. `billed` is in USD, one for each paid answer."""

    def __init__(self, target: Callable[[], str], bill: Bill) -> None:
        self.target = target
        self.bill = bill
        self.billed: list[Decimal] = []
        self.under_way = 0
        super().__init__(self._pass_on)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As any emulator; what is still under way when its caller has gone may yet be billed."""
        self.under_way += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.under_way -= 1

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        headers = [(name, value) for name, value in request.headers.raw if name not in (b"host", b"content-length")]
        url = f"{self.target()}{request.url.path}" + (f"?{request.url.query}" if request.url.query else "")
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.request(request.method, url, headers=headers, content=await request.body())
        paid = None
        if request.method == "POST" and answer.status_code == 200:
            paid = self.bill(json.loads(answer.content))
        if paid is not None:
            self.billed.append(paid)
        kept = {name: value for name, value in answer.headers.items() if name not in ("transfer-encoding", "date")}
        await Response(answer.content, answer.status_code, kept)(scope, receive, send)

    def reset(self) -> None:
        """As new."""
        self.requests.clear()
        self.script.clear()
        self.billed.clear()


async def _whole(scope: Scope, receive: Receive, app: ASGIApp) -> tuple[dict[str, Any], bytes]:
    """What the vendor answers, kept from the caller; the vendor has done and billed it by then."""
    start, body = dict[str, Any](), list[bytes]()

    async def keep(message: Any) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.append(message.get("body", b""))

    await app(scope, receive, keep)
    return start, b"".join(body)


def _abort(receive: Receive) -> None:
    cycle: Any = getattr(receive, "__self__")  # noqa: B009 - uvicorn's own, which ASGI does not tell of
    cycle.transport.abort()


@dataclass(frozen=True, slots=True)
class ResetAfter:
    """The vendor does the work and bills it; the connection breaks before a byte of the answer."""

    raw: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        await _whole(scope, scope["replay"], app)
        _abort(receive)


@dataclass(frozen=True, slots=True)
class Truncated:
    """Half of the answer arrives, then the connection breaks."""

    raw: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        start, body = await _whole(scope, scope["replay"], app)
        await send(start)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        _abort(receive)


@dataclass(frozen=True, slots=True)
class HalfJson:
    """An answer that is whole as HTTP and cut short as JSON."""

    raw: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        _, body = await _whole(scope, scope["replay"], app)
        headers = {"content-type": "application/json"}
        await Response(body[: len(body) // 2], 200, headers)(scope, scope["replay"], send)
