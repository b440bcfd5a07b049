"""Requests that are no HTTP are refused in the shape of every other refusal, and without a stack trace in the log."""

from __future__ import annotations

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from atelier.server.http_errors import CLOSE, RefusedError, failed

REFUSABLE = (h11.IDLE, h11.SEND_RESPONSE)
"""States in which no answer has begun."""


class Protocol(H11Protocol):
    """uvicorn's, but for what it says and logs when a stranger sends nonsense."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and read no more of it."""
        refusable = self.conn.our_state in REFUSABLE
        if self.cycle and not self.cycle.response_complete:
            # an answer to the head of such a request would come after this one, which h11 takes for a crash
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if refusable:
            answer = failed(RefusedError(400, "The request is not valid HTTP.", "Send it again.", headers=CLOSE))
            head = h11.Response(status_code=answer.status_code, headers=answer.raw_headers, reason=b"Bad Request")
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: a client may offer to upgrade, and does not depend on it."""
