"""Structured lines on stderr; stdout belongs to the protocol. Keys and prompts have no business here."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

call_id: ContextVar[str] = ContextVar("call_id", default="-")
"""Names the tool call that a line belongs to."""

log = logging.getLogger("atelier")

TALKATIVE = ("httpx2", "httpcore2", "mcp", "uvicorn", "boto3", "botocore", "urllib3")
"""Libraries whose lines carry addresses or payloads; only their warnings are wanted."""


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, call, event, and the facts given as `extra={"facts": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "call": call_id.get(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0]:
            # where it broke, not what it said: an exception's words may quote a prompt
            line["error"] = record.exc_info[0].__name__
            line["at"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(record.exc_info[2])]
        return json.dumps(line, ensure_ascii=False, default=str)


def configure() -> None:
    """Send everything to stderr, once, before a library sets up its own."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
