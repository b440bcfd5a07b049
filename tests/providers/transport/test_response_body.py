"""Answers whose connection breaks or stays open after the end, and whose encoding is not what the header says."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.network.http_client import httpx, vendor_client
from atelier.providers.transport.vendor_json import reason_for_status
from atelier.providers.transport.wire import Wire

pytestmark = pytest.mark.anyio

WHOLE = json.dumps({"data": [{"b64_json": "AAAA"}]}).encode()
EVENT = b'data: {"type": "image_generation.completed", "b64_json": "AAAA"}\n\n'
PARTIAL = b'data: {"type": "image_generation.partial_image", "b64_json": "AAAA"}\n\n'
STREAM = "content-type: text/event-stream"
LONGER = "content-length: 999"  # than the body: the connection breaks before its end


@asynccontextmanager
async def answering(body: bytes, *headers: str, status: int = 200, stays_open: bool = False) -> AsyncGenerator[Wire]:
    """Serve one answer byte for byte, and yield a wire to it."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write("\r\n".join((f"HTTP/1.1 {status} X", *headers, "", "")).encode() + body)
        await writer.drain()
        if stays_open:
            await done.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        endpoint = Endpoint(base_url=url, custom=True)
        try:
            async with vendor_client(endpoint, 5) as http:
                yield Wire(http, endpoint, explain, deadline=0.6)
        finally:
            done.set()
            await asyncio.sleep(0.01)  # for the server to close its side


def explain(response: httpx.Response) -> ImageError:
    return ImageError(reason_for_status(response.status_code), f"It answered {response.status_code}.")


async def sent(wire: Wire) -> httpx.Response:
    return await wire.send(httpx.Request("POST", wire.resolve_link("/v1/images")))


@pytest.mark.parametrize(("body", "header"), [(WHOLE, LONGER), (PARTIAL + EVENT, LONGER), (EVENT + b"data: {", LONGER)])
async def test_a_connection_that_breaks_after_the_result_does_not_cost_it(body: bytes, header: str) -> None:
    async with answering(body, header) as wire:
        assert (await sent(wire)).content == body


@pytest.mark.parametrize("body", [b"", WHOLE[:-1], PARTIAL, EVENT[:-9]])
async def test_a_connection_that_breaks_before_the_result_is_an_unknown_outcome(body: bytes) -> None:
    async with answering(body, LONGER) as wire:
        with pytest.raises(ImageError) as caught:
            await sent(wire)
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.NETWORK_ERROR, True)


async def test_a_refusal_whose_connection_breaks_is_a_refusal() -> None:
    async with answering(b'{"error": {"message": "No such size."}}', LONGER, status=400) as wire:
        with pytest.raises(ImageError) as caught:
            await sent(wire)
    assert "No such size" in caught.value.message
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize(("body", "header"), [(WHOLE, "x: y"), (EVENT, STREAM)])
async def test_a_connection_that_stays_open_after_the_result_does_not_cost_it(body: bytes, header: str) -> None:
    async with answering(body, header, stays_open=True) as wire:
        assert (await sent(wire)).content == body


async def test_done_ends_a_stream_whose_connection_stays_open() -> None:
    async with answering(EVENT + b"data: [DONE]\n\n", STREAM, stays_open=True) as wire:
        async with asyncio.timeout(0.5):
            await sent(wire)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "identity", "utf-8"])
@pytest.mark.parametrize("body", [WHOLE, gzip.compress(WHOLE)], ids=["plain", "gzip"])
async def test_the_body_shows_whether_it_is_compressed(coding: str, body: bytes) -> None:
    async with answering(body, f"content-encoding: {coding}") as wire:
        assert (await sent(wire)).content == WHOLE


async def test_a_compressed_body_is_bounded_by_its_decompressed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atelier.providers.transport.wire.MAX_ANSWER_BYTES", 2**20)
    async with answering(gzip.compress(bytes(2**24)), "content-encoding: gzip") as wire:
        with pytest.raises(ImageError, match="larger than 1 MB"):
            await sent(wire)
