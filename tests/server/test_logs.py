"""Logs: one JSON object a line, where it broke but never what it said."""

from __future__ import annotations

import json
import logging
import sys

from atelier.server.logs import JsonLines


def line(record: logging.LogRecord) -> dict[str, object]:
    return json.loads(JsonLines().format(record))


def test_a_crash_tells_its_kind_and_place_and_not_its_words() -> None:
    try:
        raise ValueError("the secret garden of my aunt")
    except ValueError:
        record = logging.LogRecord("atelier", logging.ERROR, __file__, 1, "tool crashed", None, sys.exc_info())
    told = line(record)
    assert told["error"] == "ValueError"
    assert "test_logs.py" in str(told["at"])
    assert "secret garden" not in json.dumps(told)


def test_facts_stand_beside_the_event() -> None:
    record = logging.LogRecord("atelier", logging.INFO, __file__, 1, "tool called", None, None)
    record.facts = {"tool": "generate_image", "seconds": 1.5}
    told = line(record)
    assert (told["event"], told["level"], told["tool"], told["seconds"]) == (
        "tool called",
        "info",
        "generate_image",
        1.5,
    )
