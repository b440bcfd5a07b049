"""Until when a paid request can be called off: while a connection is made and between tries, and at no other time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.network.http_client import httpx, vendor_client
from atelier.providers.transport.paid_request import PaidRequest
from atelier.providers.transport.vendor_json import reason_for_status
from atelier.providers.transport.wire import Wire
from tests.emulators.server import Answer, Emulator

pytestmark = pytest.mark.anyio


class Vendor(Emulator):
    """It notes whether a request was held when it came."""

    def __init__(self) -> None:
        self.told = list[bool]()
        self.on_in_flight = list[bool]()
        super().__init__(Starlette(routes=[Route("/submit", self.submit, methods=["POST"])]))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.on_in_flight.append(self.told[-1])
        await super().__call__(scope, receive, send)

    async def submit(self, request: Request) -> Response:
        return JSONResponse({"ok": True})


@pytest.fixture
def vendor() -> Generator[Vendor]:
    with (emulator := Vendor()).serving():
        yield emulator


def explain(response: httpx.Response) -> ImageError:
    return ImageError(reason_for_status(response.status_code), f"It answered {response.status_code}", retry_after=0)


@asynccontextmanager
async def wire(vendor: Vendor, **endpoint: Any) -> AsyncGenerator[Wire]:
    at = Endpoint(base_url=vendor.url, custom=True, **endpoint)
    async with vendor_client(at, 5) as http:
        yield Wire(http, at, explain, deadline=5, on_in_flight=vendor.told.append)


async def test_it_is_held_from_the_first_byte_on_and_not_while_the_connection_is_made(vendor: Vendor) -> None:
    request = httpx.Request("POST", f"{vendor.url}/submit")
    async with wire(vendor) as line:
        await line.send(request)
        assert False in vendor.told
        assert vendor.told[-1]
        vendor.told.clear()
        await line.send(request)  # through the connection of before
    assert False not in vendor.told
    assert vendor.on_in_flight == [True, True]
    assert "trace" not in request.extensions


async def test_it_is_let_go_between_tries_and_held_again_in_each(vendor: Vendor, impatient: None) -> None:
    vendor.next(Answer(429, {}), Answer(503, {"error": {"message": "Overloaded."}}), None)
    async with wire(vendor) as line:
        await line.send(httpx.Request("POST", f"{vendor.url}/submit"))
    assert vendor.on_in_flight == [True] * 3
    assert vendor.told.count(False) >= 3
    assert vendor.told[-1]


async def test_a_refusal_in_which_it_ends_is_no_pause(vendor: Vendor) -> None:
    vendor.next(Answer(400, {}))
    async with wire(vendor) as line:
        with pytest.raises(ImageError):
            await line.send(httpx.Request("POST", f"{vendor.url}/submit"))
    assert vendor.told[-1]


async def test_without_a_socket_it_is_held_from_the_start(vendor: Vendor) -> None:
    on_in_flight = list[bool]()

    def answer(request: httpx.Request) -> httpx.Response:
        on_in_flight.extend(vendor.told)
        return httpx.Response(200)

    async with wire(vendor, transport=answer) as line:
        await line.send(httpx.Request("POST", f"{vendor.url}/submit"))
    assert on_in_flight == [True]


async def test_what_httpcore_tells_in_words_that_nobody_knows_holds_it() -> None:
    told = list[bool]()
    paid = PaidRequest(told.append, None, retry_timeouts=False)
    await paid.trace("connection.connect_tcp.started", {})
    await paid.trace("carrier_pigeon.released", {})
    assert told == [False, True]
