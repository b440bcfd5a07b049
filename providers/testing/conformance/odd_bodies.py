"""Variants of a valid body that gateways produce. None of them may lose a paid image."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Rewritten:
    """The right answer, with its bytes as a careless gateway passes them on."""

    change: Callable[[bytes], bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send, app: ASGIApp) -> None:
        parts, start = list[bytes](), dict[str, Any]()

        async def gather(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                body = self.change(b"".join(parts))
                headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
                await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
                await send({"type": "http.response.body", "body": body})

        await app(scope, receive, gather)


def with_note(note: bytes) -> Callable[[bytes], bytes]:
    """A field more, in bytes that are no good JSON."""
    return lambda body: b'{"note": ' + note + b", " + body.lstrip()[1:]


ODD_BODIES: dict[str, Callable[[bytes], bytes]] = {
    "a BOM": lambda body: b"\xef\xbb\xbf" + body,
    "space around": lambda body: b"\r\n \t" + body + b"\n\n",
    "a raw line break in a text": with_note(b'"two\nlines"'),
    "a bad byte": with_note(b'"caf\xe9"'),
    "half a surrogate pair": with_note(rb'"\ud83e"'),
    "NaN": with_note(b"NaN"),
    "gzip without its header": gzip.compress,
    "an event of a stream": lambda body: b": wait\n\ndata: " + body.replace(b"\n", b" ") + b"\n\ndata: [DONE]\n\n",
    "text after it": lambda body: body + b"\n<!-- cached -->",
}  # fmt: skip
