"""A second start answers its host from what the first one recorded, byte for byte, and hands over to the SDK."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from atelier.providers.testing.waiting import until
from tests.conftest import Environ
from tests.exhaustive import exhaustive, sample
from tests.server.process import hello, started

SKETCH = {"name": "generate_image", "arguments": {"prompt": "a fox", "model": "sketch", "size": "64x64"}}

WITHOUT_SDK = [
    sys.executable,
    "-c",
    "import sys; sys.modules['mcp.server'] = None; sys.argv = ['atelier', 'serve']\n"
    "from atelier.server.main import main; main()",
]
"""A server that cannot import the SDK: what it answers, it answers early."""


def lines_of(environ: Environ, *messages: dict[str, Any], command: Any = None) -> list[str]:
    """The lines that answer these messages, each sent when the one before was answered."""
    found = list[str]()
    with started(environ, command) if command else started(environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for message in messages:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            process.stdin.flush()
            while "id" in message and not (found and json.loads(found[-1]).get("id") == message["id"]):
                line = process.stdout.readline()
                if not line:
                    break
                found.append(line)
        process.stdin.close()
        with closing(process.stderr), closing(process.stdout):
            process.wait()
    return found


def recorded(environ: Environ) -> bool:
    return (Path(environ["ATELIER_STATE_DIR"]) / "early-answers.json").exists()


LISTING = ({"method": "notifications/initialized"}, {"method": "tools/list", "id": 2}, {"method": "ping", "id": "p"})


@pytest.mark.parametrize("revision", sample(["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"], ["2025-06-18"]))
def test_the_answers_are_those_of_the_sdk_to_the_byte(environ: Environ, revision: str) -> None:
    first = lines_of(environ, hello(revision), *LISTING)
    until(lambda: recorded(environ))
    assert json.loads(first[0])["result"]["protocolVersion"] == revision
    other_host = hello(revision)
    other_host["params"]["clientInfo"] = {"name": "another", "version": "2"}
    assert lines_of(environ, other_host, *LISTING) == first
    early = lines_of(environ, hello(revision), *LISTING, command=WITHOUT_SDK)
    assert early == first
    other_capabilities = hello(revision)
    other_capabilities["params"]["capabilities"] = {"roots": {}}
    assert lines_of(environ, other_capabilities, command=WITHOUT_SDK) == []


def test_a_host_that_leaves_after_its_first_answer_has_recorded_it(environ: Environ) -> None:
    first = lines_of(environ, hello("2025-11-25"))
    assert recorded(environ)
    assert lines_of(environ, hello("2025-11-25"), command=WITHOUT_SDK) == first


@exhaustive
def test_settings_that_changed_leave_the_answer_to_the_sdk(environ: Environ) -> None:
    five_tools = lines_of(environ, hello("2025-06-18"), *LISTING)
    until(lambda: recorded(environ))
    environ["ATELIER_TOOLS"] = "get_image"
    assert lines_of(environ, hello("2025-06-18"), command=WITHOUT_SDK) == []
    one_tool = lines_of(environ, hello("2025-06-18"), *LISTING)
    assert "edit_image" in five_tools[1]
    assert "edit_image" not in one_tool[1]
    until(lambda: recorded(environ))
    environ["XAI_API_KEY"] = "xai-none"
    assert lines_of(environ, hello("2025-06-18"), command=WITHOUT_SDK) == []
    assert "grok-imagine-image" in lines_of(environ, hello("2025-06-18"), *LISTING)[0]


@exhaustive
def test_a_call_after_early_answers_is_answered_by_the_sdk_and_an_id_can_be_used_again(environ: Environ) -> None:
    lines_of(environ, hello("2025-11-25"), *LISTING)
    until(lambda: recorded(environ))
    call = {"method": "tools/call", "id": 3, "params": SKETCH}
    again = {"method": "tools/list", "id": 2}
    answers = [json.loads(line) for line in lines_of(environ, hello("2025-11-25"), *LISTING, call, again)]
    assert [answer["id"] for answer in answers] == [1, 2, "p", 3, 2]
    assert not answers[3]["result"]["isError"]
    assert answers[4]["result"] == answers[1]["result"]


@exhaustive
@pytest.mark.anyio
@pytest.mark.parametrize("mode", sample(["auto", "legacy"], ["auto"]))
async def test_the_official_client_is_served_as_before(environ: Environ, mode: Any) -> None:
    for _ in range(2):
        parameters = StdioServerParameters(command=sys.executable, args=["-m", "atelier.server"], env=environ)
        async with Client(parameters, mode=mode) as client:
            tools = await client.list_tools()
            drawn = await client.call_tool(SKETCH["name"], SKETCH["arguments"])  # pyright: ignore[reportArgumentType]
        assert len(tools.tools) == 5
        assert not drawn.is_error
    assert recorded(environ)
