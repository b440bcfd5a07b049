"""Log lines: JSON or text, with the place of a failure and without its message."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from typing import Any

import pytest

from atelier.server.calls import log_arguments
from atelier.server.observability.logs import JsonLines, TextLines, call_id, configure, log, set_level


def record(event: str, level: int = logging.INFO, **facts: Any) -> logging.LogRecord:
    made = logging.LogRecord("atelier", level, __file__, 1, event, None, None)
    made.facts = facts
    return made


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()])
def test_a_crash_is_logged_with_its_kind_and_place_and_without_its_message(formatter: logging.Formatter) -> None:
    try:
        raise ValueError("the secret garden of my aunt")
    except ValueError:
        crash = logging.LogRecord("atelier", logging.ERROR, __file__, 1, "tool crashed", None, sys.exc_info())
    line = formatter.format(crash)
    assert "ValueError" in line
    assert "test_logs.py" in line
    assert "secret garden" not in line


def test_a_json_line_has_the_facts_beside_the_event() -> None:
    line = json.loads(JsonLines().format(record("tool called", tool="generate_image", seconds=1.5)))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "atelier",
        "call": "-",
        "event": "tool called",
        "tool": "generate_image",
        "seconds": 1.5,
    }


def test_a_text_line_is_one_line_that_can_be_read() -> None:
    token = call_id.set("call_1")
    line = TextLines().format(record("tool\ncalled", logging.WARNING, tool="edit", why="no\nroom left", n=2, none=""))
    call_id.reset(token)
    assert re.fullmatch(
        r'\d\d:\d\d:\d\d warning tool called tool=edit why="no\\nroom left" n=2 none="" call=call_1', line
    )


class Terminal(io.StringIO):
    """stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stderr", "json_lines"), [(io.StringIO, True), (Terminal, False)])
def test_a_terminal_gets_text_and_a_pipe_json(
    monkeypatch: pytest.MonkeyPatch, stderr: type[io.StringIO], json_lines: bool
) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    out = stderr()
    monkeypatch.setattr(sys, "stderr", out)
    root.handlers.clear()
    try:
        configure()
        log.info("not yet")
        set_level("info")
        log.info("listening", extra={"facts": {"address": "http://127.0.0.1:1"}})
        logging.getLogger("httpx2").info("GET https://vendor.example/?key=sk-1")
        set_level("error")
        log.warning("no longer")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        log.setLevel(logging.NOTSET)
    (line,) = out.getvalue().splitlines()
    assert line.startswith("{") is json_lines
    assert "listening" in line
    assert "http://127.0.0.1:1" in line


def test_arguments_are_logged_short_and_without_images(caplog: pytest.LogCaptureFixture) -> None:
    arguments = {"prompt": "a fox " * 1000, "image": "data:image/png;base64," + "iVBORw0KGgo" * 40}
    with caplog.at_level(logging.INFO, "atelier"):
        log_arguments("edit_image", arguments)
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, "atelier"):
        log_arguments("edit_image", arguments)
    line = JsonLines().format(caplog.records[0])
    assert "a fox a fox" in line
    assert "[base64]" in line
    assert "iVBOR" not in line
    assert len(line) < 2500
