"""A SOCKS 5 proxy (RFC 1928, without authentication) that connects every name to this machine and notes it."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Generator
from typing import Any, Literal

Trouble = Literal["closes", "refuses"]
"""What a proxy does in place of opening the way: it closes the connection, or says that the host is out of reach."""


class Socks(socketserver.ThreadingTCPServer):
    """The server. `asked` is the hosts that it was asked to connect to, `fault` what happens instead."""

    daemon_threads = True
    fault: Trouble | None = None

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def url(self) -> str:
        """As ALL_PROXY names it."""
        return f"socks5h://127.0.0.1:{self.server_address[1]}"

    @contextlib.contextmanager
    def serving(self) -> Generator[Socks]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join(5)


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        _, methods = self.rfile.read(2)
        self.rfile.read(methods)
        self.wfile.write(b"\5\0")
        _, _, _, kind = self.rfile.read(4)
        length = {1: 4, 4: 16}.get(kind) or self.rfile.read(1)[0]
        host = self.rfile.read(length)
        server.asked.append(host.decode() if kind == 3 else socket.inet_ntop(socket.AF_INET, host))
        if server.fault:
            self.wfile.write(b"\5\4\0\1\0\0\0\0\0\0" if server.fault == "refuses" else b"")
            return
        (port,) = struct.unpack(">H", self.rfile.read(2))
        with socket.create_connection(("127.0.0.1", port)) as other:
            self.wfile.write(b"\5\0\0\1\0\0\0\0\0\0")
            back = threading.Thread(target=_pass_on, args=(other, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, other)
            back.join(5)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
