"""Answers as server-sent events: partial images as they arrive, then every finished one.

The head is sent with the first partial image, or once the client has waited KEEPALIVE_INTERVAL. A failure before that
is an ordinary answer with its status, one after it an event.
"""

from __future__ import annotations

import math
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from atelier.providers.core.concurrency import PartialImage, race
from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import Progress
from atelier.providers.jobs.service import ImageService
from atelier.server.calls import CallerGoneError, Calls, delivering
from atelier.server.http.errors import gone
from atelier.server.http.openai.answers import images_answer
from atelier.server.http.openai.errors import error_body, failed
from atelier.server.http.openai.parameters import ImageCall
from atelier.tools.tool import Answer

KEEPALIVE_INTERVAL = 15.0  # seconds; proxies close a connection that is silent for a minute
KEEPALIVE = b": working\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]

Run = Callable[[Progress], Awaitable[Answer]]


class EventStream(Response):
    """The response of a call with `stream`; the call runs while it is sent. `kind` begins the names of its events.

    The route has begun the call of the `caller`, and has ended before this is sent.
    """

    def __init__(self, kind: str, call: ImageCall, run: Run, caller: str, calls: Calls, service: ImageService) -> None:
        super().__init__()
        self._kind, self._call, self._run, self._service = kind, call, run, service
        self._caller, self._calls = caller, calls
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, or the answer to a call that fails before the first."""
        sender, receiver = anyio.create_memory_object_stream[PartialImage | Answer | Exception](math.inf)
        outcome = list[Answer | Exception]()

        async def on_progress(message: str) -> None:
            if isinstance(message, PartialImage):
                sender.send_nowait(message)

        async def disconnect() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        async def run() -> None:
            try:
                sender.send_nowait(await race(disconnect, partial(self._run, on_progress), CallerGoneError))
            except Exception as error:  # noqa: BLE001 - raised below, where the answer is written
                sender.send_nowait(error)

        try:
            async with self._calls.answering(f"{scope['path']} stream", self._caller, begun=True):
                with sender, receiver:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(run)
                        outcome.append(await self._forward(receiver, send))
                    (ended,) = outcome
                    if isinstance(ended, Exception):
                        raise ended
                    with delivering(self._service, ended.jobs):
                        await self._send(send, b"".join(self._completed(ended)), last=True)
        except ImageError as error:
            if self._started:
                await self._send(send, _event("error", error_body(error)), last=True)
            else:
                await failed(error)(scope, receive, send)
        except CallerGoneError:
            await gone()(scope, receive, send)

    async def _forward(
        self, receiver: MemoryObjectReceiveStream[PartialImage | Answer | Exception], send: Send
    ) -> Answer | Exception:
        """Send what arrives until the call has ended, and return how it did."""
        while True:
            chunk = KEEPALIVE
            with anyio.move_on_after(KEEPALIVE_INTERVAL):
                arrived = await receiver.receive()
                if not isinstance(arrived, PartialImage):
                    return arrived
                chunk = self._partial(arrived)
            await self._send(send, chunk)

    async def _send(self, send: Send, chunk: bytes, *, last: bool = False) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": chunk, "more_body": not last})

    def _partial(self, image: PartialImage) -> bytes:
        data = {"b64_json": b64encode(image.image_bytes).decode(), "partial_image_index": image.number}
        return self._of_kind("partial_image", data)

    def _completed(self, answer: Answer) -> list[bytes]:
        """Return an event for each image; the last one has the usage of them all."""
        whole = images_answer(answer, as_url=self._call.as_url)
        usage = {"usage": whole.usage.model_dump() if whole.usage else None, "atelier": whole.atelier.model_dump()}
        items = [item.model_dump(exclude_none=True) for item in whole.data]
        return [
            self._of_kind(
                "completed",
                {**item, "size": whole.size, "output_format": whole.output_format, **(usage if last else {})},
            )
            for item, last in zip(items, [*[False] * (len(items) - 1), True], strict=True)
        ]

    def _of_kind(self, kind: str, data: dict[str, Any]) -> bytes:
        parameters = self._call.parameters
        about = {
            "type": f"{self._kind}.{kind}",
            "created_at": int(time.time()),
            "size": parameters.size or "auto",
            "quality": parameters.quality or "auto",
            "background": parameters.background or "auto",
            "output_format": parameters.output_format or "png",
        }
        return _event(about["type"], {**about, **data})


def _event(name: Any, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (str(name).encode(), to_json(data))
