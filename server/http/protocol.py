"""Requests that are no HTTP, or never become one, are refused in the shape of every other refusal, and no error is
logged for a stranger's nonsense."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from atelier.server.http.errors import CLOSE, RefusedError, failed

HEAD = 30.0  # seconds for the head of a request, from its first byte or from the connection's beginning

REFUSABLE = (h11.IDLE, h11.SEND_RESPONSE)
"""States in which no answer has begun."""


class Protocol(H11Protocol):
    """uvicorn's, but for what it says and logs when a stranger sends nonsense, and for those who never say a thing."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Somebody is there."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        super().connection_lost(exc)
        self._hurry_no_more()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and read no more of it."""
        refusable = self.conn.our_state in REFUSABLE
        if self.cycle and not self.cycle.response_complete:
            # an answer to the head of such a request would come after this one, which h11 takes for a crash
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if refusable:
            self._refuse(RefusedError(400, "The request is not valid HTTP.", "Send it again.", headers=CLOSE))
        self.transport.close()

    def _await_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._hurry_no_more()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD, self._give_up)

    def _hurry_no_more(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._refuse(RefusedError(408, "The head of the request took too long.", "Send it at once.", headers=CLOSE))
        self.transport.close()

    def _refuse(self, refusal: RefusedError) -> None:
        answer, reason = failed(refusal), HTTPStatus(refusal.status).phrase.encode()
        head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers, reason=reason)
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: a client may offer to upgrade, and does not depend on it."""
