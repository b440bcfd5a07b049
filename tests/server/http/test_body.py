"""Bodies that never end, are too large or are encoded, and requests that are not HTTP."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

import pytest

from atelier.providers.testing.waiting import LONG
from tests.conftest import Environ
from tests.exhaustive import exhaustive, sample
from tests.server.http_process import SKETCH, Server, reason, serving, token

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def connected(server: Server) -> socket.socket:
    """A connection on which nothing was said yet."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), LONG)


@contextmanager
def began(server: Server, more: str, path: str = "/image/generate") -> Generator[socket.socket]:
    """A request whose head is sent."""
    name = server.url.removeprefix("http://")
    head = f"POST {path} HTTP/1.1\r\nHost: {name}\r\nAuthorization: Bearer {token()}\r\n"
    head += "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    with connected(server) as connection:
        connection.sendall(f"{head}{more}\r\n\r\n".encode())
        yield connection


def heard(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection, which resets it for who still sends."""
    answer = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            answer += part
    return answer


def told(answer: bytes) -> tuple[int, str]:
    """Status and reason of a refusal in our own shape."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/json" in head
    return int(head.split()[1]), json.loads(body)["error"]["reason"]


@exhaustive
@POSIX
@pytest.mark.parametrize("path", sample(["/image/generate", "/mcp"], ["/image/generate"]))
def test_half_a_body_does_not_keep_the_server_from_ending(environ: Environ, path: str) -> None:
    with serving(environ) as server, began(server, "Content-Length: 100", path) as connection:
        connection.sendall(b"{")
        with server.web() as web:
            web.get("/healthz")  # by now the other request is being read
        server.process.send_signal(signal.SIGTERM)
        assert told(heard(connection)) == (503, "provider_unavailable")
        assert server.process.wait(LONG) == 128 + signal.SIGTERM
        assert not [line for line in server.log if line["level"] == "error"]


@exhaustive
def test_a_flood_of_names_or_values_is_refused_in_a_sentence(server: Server) -> None:
    flood = {"prompt": "a fox"}
    names = json.dumps({**flood, **{f"k{number}": 1 for number in range(500_000)}})
    values = json.dumps({**flood, "settings": {"image": {"options": [1] * 1_000_000}}})
    refused = list[str]()
    with server.web() as web:
        for body in (names, values):
            answer = web.post("/image/generate", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400
            refused.append(answer.json()["error"]["message"])
    assert refused == ["The body has more than 1,000 values."] * 2


@pytest.mark.parametrize("path", ["/image/generate", "/mcp"])
def test_a_body_that_is_not_to_be_read_is_refused_at_once(server: Server, path: str) -> None:
    with began(server, "Content-Length: 99999999999999999999", path) as connection:
        assert told(heard(connection)) == (413, "invalid_request")
    for encoding in ("gzip", "identity"):
        with began(
            server, f"Content-Encoding: {encoding}\r\nContent-Length: 0\r\nConnection: close", path
        ) as connection:
            assert told(heard(connection)) == (415, "invalid_request")


NONSENSE = {
    "no request": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
}


@pytest.mark.parametrize("sent", NONSENSE.values(), ids=NONSENSE.keys())
def test_what_is_no_http_is_refused_and_is_no_error_in_the_log(server: Server, sent: bytes) -> None:
    before = len(server.lines)
    with connected(server) as connection:
        connection.sendall(sent)
        assert heard(connection).startswith(b"HTTP/1.1 400")
    assert server.get("/healthz", None).status_code == 200
    assert not [line for line in server.log[before:] if line["level"] == "error"]


@pytest.mark.parametrize("path", ["/image/generate", "/mcp"])
def test_a_bad_chunk_right_after_the_head_is_refused_and_is_no_error_in_the_log(server: Server, path: str) -> None:
    before = len(server.lines)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(server) as connection:
        connection.sendall(f"{head}ZZ\r\n".encode())
        assert heard(connection).startswith(b"HTTP/1.1 400")
    assert server.get("/healthz", None).status_code == 200
    assert not [line for line in server.log[before:] if line["level"] == "error"]


@pytest.mark.parametrize("path", ["/image/generate", "/mcp"])
def test_a_bad_chunk_after_the_head_is_no_error_in_the_log(server: Server, path: str) -> None:
    before = len(server.lines)
    with began(server, "Transfer-Encoding: chunked", path) as connection:
        connection.sendall(b"1\r\n{\r\n")
        server.get("/healthz", None)  # by now the head has been read
        connection.sendall(b"QQ\r\n")
        answer = heard(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert server.get("/healthz", None).status_code == 200
    assert not [line for line in server.log[before:] if line["level"] == "error"]


def test_an_offer_to_upgrade_is_passed_over(server: Server) -> None:
    with server.web(None) as web:
        answer = web.get("/healthz", headers={"Connection": "upgrade", "Upgrade": "websocket"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/image/last/", "/healthz/", "/mcp/"])
def test_nobody_is_sent_elsewhere(server: Server, path: str) -> None:
    answer = server.get(path)
    assert (answer.status_code, reason(answer)) == (404, "not_found")


def test_a_client_that_leaves_in_the_midst_of_a_body_for_mcp_is_no_error_in_the_log(server: Server) -> None:
    before = len(server.lines)
    with began(server, "Content-Length: 100", "/mcp") as connection:
        connection.sendall(b"{")
        server.get("/healthz", None)
    server.draw(SKETCH)
    assert not [line for line in server.log[before:] if line["level"] == "error"]
