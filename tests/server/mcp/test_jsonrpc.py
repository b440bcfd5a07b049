"""Every line that a client sends is answered: over real pipes, over HTTP, and by the pure functions that both use."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import pytest
from mcp.types import JSONRPCError

from atelier.providers.testing.waiting import LONG
from atelier.server.mcp.jsonrpc import message_of, messages_of
from tests.conftest import Environ
from tests.exhaustive import exhaustive
from tests.server.http_process import SKETCH, Server, body_of, reason
from tests.server.process import hello, started

PING = {"jsonrpc": "2.0", "id": 7, "method": "ping"}
BOM = b"\xef\xbb\xbf"


def call(prompt: bytes, id: int = 2) -> bytes:
    """A line that asks for a free draft; the prompt stands in it as it is."""
    head = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"generate_image","arguments":' % id
    return head + b'{"prompt":"' + prompt + b'","model":"sketch","size":"64x64"}}}'


def spoken(environ: Environ, *lines: bytes) -> list[dict[str, Any]]:
    """Send raw lines to a server, one after the other, each once what came before is answered; all that it says."""
    greeting = json.dumps({"jsonrpc": "2.0", **hello("2025-11-25")}).encode()
    with started(environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = list[dict[str, Any]]()
        limit = threading.Timer(LONG, process.kill)  # a line that is not answered must fail, not wait
        limit.daemon = True
        limit.start()
        for line in (BOM + greeting, *lines):
            os.write(process.stdin.fileno(), line + b"\n")
            said.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.stdout.read() == ""
        assert process.wait(LONG) == 0
        limit.cancel()
    return said


def codes(said: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(each["id"], each["error"]["code"] if "error" in each else "result") for each in said]


def test_over_stdio_every_line_is_answered(environ: Environ) -> None:
    lines = {
        call(b"a fox \\ud83e"): (2, "result"),
        call(b"a fox \xff\xed\xa0\xbe"): (2, "result"),
        BOM + call(b"a fox"): (2, "result"),
        b"\n \t\n" + call(b"a fox"): (2, "result"),
        call(b"a fox", 3)[:100]: (3, -32700),
        b'{"jsonrpc":"2.0","method":"ping","id":"a': (None, -32700),
        b"nonsense": (None, -32700),
        b"5": (None, -32600),
        b"[]": (None, -32600),
        b'{"id":4,"method":"ping"}': (4, -32600),
        b'{"jsonrpc":"2.0","id":5,"method":"ping","params":[]}': (5, -32600),
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}': (None, -32600),
        b'{"jsonrpc":"2.0","id":true,"method":"ping"}': (None, -32600),
        b'{"jsonrpc":"2.0","id":6,"method":"no/such"}': (6, -32601),
        b'{"jsonrpc":"2.0","id":2,"result":{},"params":[1]}\n{"jsonrpc":"2.0","id":7,"method":"ping"}': (7, "result"),
        b'[{"jsonrpc":"2.0","id":8,"method":"ping"}]': (8, "result"),
    }
    said = spoken(environ, *lines)
    assert codes(said) == [(1, "result"), *lines.values()]
    assert not any(each["result"].get("isError") for each in said[1:5]), said[1:5]


@pytest.mark.parametrize("arguments", ['"{\\"a\\": 1}"', "[]", '""'])
def test_arguments_that_are_no_object_are_read_as_one(arguments: str) -> None:
    text = '{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":"x","arguments":%s}}'
    (message,) = messages_of(text % arguments)
    assert isinstance(message, str)
    read = json.loads(message)
    assert read["params"] == {"name": "x", "arguments": {"a": 1} if "a" in arguments else {}}
    assert repr(read["id"]) == "1"


def test_several_messages_in_one_line_are_read_one_by_one() -> None:
    line = json.dumps(PING) + json.dumps({**PING, "id": 9}) + " " + json.dumps({"id": 10})
    *read, wrong = messages_of(line)
    assert [json.loads(str(message))["id"] for message in read] == [7, 9]
    assert isinstance(wrong, JSONRPCError)
    assert (wrong.id, wrong.error.code) == (10, -32600)


@exhaustive
def test_each_message_of_a_batch_is_answered_by_itself(environ: Environ) -> None:
    with started(environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([PING, {"method": "ping", "id": 8}, 5]) + "\n")
        process.stdin.flush()
        said = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert sorted(codes(said), key=str) == [(7, "result"), (8, -32600), (None, -32600)]


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ('{"jsonrpc":"2.0","id":5,"method":"x","params":{"arguments":{"id":"img_1"', 5),
        ('{"method":"x","params":{"id":"img_1"},"id":"a"', "a"),
        ('{"method":"id","params":{"x":"{\\"id\\":1,"},"id": 7 , "x', 7),
        ('{"params":{"id":1,"x', None),
        ('{"id":12', None),
        ('{"id":1.5,', None),
        ('{"id":"\\q",', None),
        ('"id":1}', None),
        ("[" * 500, None),
    ],
)
def test_the_id_of_a_broken_message_is_read_at_its_top_level_only(text: str, id: object) -> None:
    error = message_of(text)
    assert isinstance(error, JSONRPCError)
    assert (error.error.code, error.id) == (-32700, id)


def test_what_is_repaired_holds_what_was_meant() -> None:
    text = r'{"jsonrpc":"2.0","id":1,"method":"m","params":{"p":"\ud83e' + "\t" + r'\ud83e\udd8a \\ud83e"}}'
    (message,) = messages_of("\ufeff" + text)
    assert isinstance(message, str)
    assert json.loads(message)["params"]["p"] == "\N{REPLACEMENT CHARACTER}\t\N{FOX FACE} \\ud83e"


def test_a_message_that_needs_no_repair_is_passed_on_as_it_is() -> None:
    text = '{"jsonrpc": "2.0",  "id": 1, "method": "m", "params": {"p": "\\u00e9"}}'
    assert messages_of(text) == [text]


REVISIONS = ("2025-11-25", "2026-07-28")


@pytest.mark.parametrize("revision", REVISIONS)
def test_over_http_a_broken_body_for_mcp_is_answered_by_its_id(server: Server, revision: str) -> None:
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": revision,
    }
    sent = {b'{"jsonrpc":"2.0","id":3,"meth': (3, -32700), b"[]": (None, -32600), b'{"id":4}': (4, -32600)}
    with server.web() as web:
        answers = [web.post("/mcp", content=body, headers=headers) for body in sent]
    assert [answer.status_code for answer in answers] == [400] * 3
    assert codes([answer.json() for answer in answers]) == list(sent.values())


@pytest.mark.parametrize("prompt", [b"a fox", b"a fox \\ud83e", b"a fox \xff"])
def test_over_http_a_body_with_a_bom_or_bad_text_is_read(server: Server, prompt: bytes) -> None:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    arguments = json.dumps(body_of({**SKETCH, "prompt": "PROMPT"})).encode().replace(b"PROMPT", prompt)
    with server.web() as web:
        drawn = web.post("/image/generate", content=BOM + arguments, headers=headers)
        called = web.post("/mcp", content=BOM + call(prompt), headers=headers)
    assert drawn.status_code == 200
    (data,) = [line for line in called.text.splitlines() if line.startswith("data: {")]
    assert not json.loads(data.removeprefix("data: "))["result"].get("isError")


def test_over_http_a_broken_body_of_a_plain_route_is_refused_in_its_own_shape(server: Server) -> None:
    with server.web() as web:
        answer = web.post("/image/generate", content=b'{"id":3,', headers={"Content-Type": "application/json"})
    assert (answer.status_code, reason(answer)) == (400, "invalid_request")
