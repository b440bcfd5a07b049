"""Log lines on stderr, since stdout belongs to the protocol: JSON, or text in a terminal.

Keys are never logged, prompts only at debug, and of images no bytes at all. Libraries log warnings only, whatever the
level: their other lines hold addresses, headers and payloads.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from atelier.providers.core.tracing import context_facts, current_span

LogLevel = Literal["debug", "info", "warning", "error"]

call_id: ContextVar[str] = ContextVar("call_id", default="-")
"""Names the tool call that a line belongs to."""

log = logging.getLogger("atelier")


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the facts of the task and its trace, those given as `extra={"facts": {...}}`, and an exception's place.

    An exception's own message is left out, because it may quote a prompt.
    """
    trace = {"trace_id": trace_id} if (trace_id := current_span().trace_id) else {}
    facts: dict[str, Any] = {**context_facts(), **trace, **getattr(record, "facts", {})}
    if record.exc_info and record.exc_info[0]:
        facts["error"] = record.exc_info[0].__name__
        facts["at"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(record.exc_info[2])]
    return facts


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, call, event and facts."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "call": call_id.get(),
            "event": record.getMessage(),
            **facts_of(record),
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """One readable line: local time, level, event, the facts as `name=value`, and the call if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        facts = {**facts_of(record), **({"call": call} if (call := call_id.get()) != "-" else {})}
        event = " ".join(record.getMessage().split())
        words = [time, f"{record.levelname.lower():7}", event, *(f"{n}={_word(fact)}" for n, fact in facts.items())]
        return " ".join(words)


def _word(fact: object) -> str:
    """Return a fact as one word: as it is where it holds no space or control character, else as JSON."""
    text = str(fact)
    plain = text.isprintable() and " " not in text and not isinstance(fact, (list, dict))
    return text if plain and text else json.dumps(fact, ensure_ascii=False, default=str)


def configure() -> None:
    """Send log lines to stderr, before a library sets up its own logging. Warnings and errors until `set_level`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines() if sys.stderr.isatty() else JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def set_level(level: LogLevel) -> None:
    """Choose which of Atelier's own lines are written."""
    log.setLevel(level.upper())
