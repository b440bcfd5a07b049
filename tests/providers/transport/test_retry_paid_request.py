"""Tests of paid requests: cancelling is free while a connection is made and between attempts, never otherwise."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.testing.server import Answer, Emulator
from atelier.providers.transport.network.http_client import httpx, vendor_client
from atelier.providers.transport.retry import PaidRequest
from atelier.providers.transport.vendor_json import reason_for_status
from atelier.providers.transport.wire import Wire

pytestmark = pytest.mark.anyio


class Vendor(Emulator):
    """Records whether a request was marked as in flight when it arrived."""

    def __init__(self) -> None:
        self.states = list[bool]()
        self.on_in_flight = list[bool]()
        super().__init__(Starlette(routes=[Route("/submit", self.submit, methods=["POST"])]))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.on_in_flight.append(self.states[-1])
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
        yield Wire(http, at, explain, deadline=5, on_in_flight=vendor.states.append)


async def test_the_request_is_in_flight_from_its_first_byte(vendor: Vendor) -> None:
    request = httpx.Request("POST", f"{vendor.url}/submit")
    async with wire(vendor) as line:
        await line.send(request)
        assert False in vendor.states
        assert vendor.states[-1]
        vendor.states.clear()
        await line.send(request)  # through the connection of before
    assert False not in vendor.states
    assert vendor.on_in_flight == [True, True]
    assert "trace" not in request.extensions


async def test_the_request_is_not_in_flight_between_attempts(vendor: Vendor, impatient: None) -> None:
    vendor.next(Answer(429, {}), Answer(503, {"error": {"message": "Overloaded."}}), None)
    async with wire(vendor) as line:
        await line.send(httpx.Request("POST", f"{vendor.url}/submit"))
    assert vendor.on_in_flight == [True] * 3
    assert vendor.states.count(False) >= 3
    assert vendor.states[-1]


async def test_the_request_stays_in_flight_after_a_final_refusal(vendor: Vendor) -> None:
    vendor.next(Answer(400, {}))
    async with wire(vendor) as line:
        with pytest.raises(ImageError):
            await line.send(httpx.Request("POST", f"{vendor.url}/submit"))
    assert vendor.states[-1]


async def test_without_a_socket_the_request_is_in_flight_at_once(vendor: Vendor) -> None:
    on_in_flight = list[bool]()

    def answer(request: httpx.Request) -> httpx.Response:
        on_in_flight.extend(vendor.states)
        return httpx.Response(200)

    async with wire(vendor, transport=answer) as line:
        await line.send(httpx.Request("POST", f"{vendor.url}/submit"))
    assert on_in_flight == [True]


async def test_an_unknown_trace_event_means_in_flight() -> None:
    states = list[bool]()
    paid = PaidRequest(states.append, None, retry_timeouts=False)
    await paid.trace("connection.connect_tcp.started", {})
    await paid.trace("carrier_pigeon.released", {})
    assert states == [False, True]


def test_an_operator_who_allows_a_second_bill_does_not_allow_a_third() -> None:
    repeats = list[int]()

    async def count() -> None:
        repeats.append(1)

    paid = PaidRequest(lambda _: None, count, retry_timeouts=True)
    cut_off = ImageError(Reason.TIMEOUT, "It took too long.", facts={"outcome": "unknown"})
    assert paid.should_retry(cut_off)
    anyio.run(paid.start_attempt)
    assert not paid.should_retry(cut_off)
    assert repeats == [1]
