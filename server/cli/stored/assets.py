"""What the commands for stored images share: finding them, their columns, and asking before they are deleted."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from atelier.providers.core.errors import sanitize
from atelier.providers.images.asset_storage import Storage
from atelier.providers.pricing.price_parts import usd
from atelier.server.cli.terminal.output import Column, UsageError, say

PAGE = 200  # records that are read at once
UNITS = {"h": "hours", "d": "days", "w": "weeks"}
AGE = re.compile(r"(\d{1,5})\s*([hdw])")

Record = Mapping[str, Any]

COLUMNS = (
    Column("image"),
    Column("made (UTC)", spare=True),
    Column("size", spare=True),
    Column("model", spare=True),
    Column("cost", right=True, spare=True),
    Column("prompt", flexible=True),
)


def row(record: Record) -> tuple[str, ...]:
    """Return a record in the columns of COLUMNS."""
    made = str(record.get("created_at", ""))[:16].replace("T", " ")
    size, model = f"{record.get('width')}x{record.get('height')}", f"{record.get('provider')}/{record.get('model')}"
    prompt = sanitize(record.get("prompt") or "", 60)
    cost = record.get("actual_usd")
    return str(record["id"]), made, size, model, "" if cost is None else usd(Decimal(str(cost))), prompt


async def records(storage: Storage) -> AsyncIterator[Record]:
    """Yield the records of all images, the newest first. Raises storage_failed."""
    before: str | None = None
    while page := await storage.newest(PAGE, before):
        for record in page:
            yield record
        before = str(page[-1]["id"])


def parse_age(text: str) -> timedelta:
    """Return the age that `30d`, `12h` or `6w` names. Raises UsageError for any other text."""
    if found := AGE.fullmatch(text.strip().lower()):
        return timedelta(**{UNITS[found[2]]: int(found[1])})
    raise UsageError(f"--older-than {sanitize(text, 20)} is no age. Write it as 12h, 30d or 6w.")


def is_older(record: Record, age: timedelta) -> bool:
    """Return whether an image was made longer ago; one without a date was not."""
    try:
        made = datetime.fromisoformat(str(record.get("created_at")))
    except ValueError:
        return False
    return made.tzinfo is not None and datetime.now(UTC) - made > age


def agrees(question: str, *, yes: bool) -> bool:
    """Ask the person before something is deleted. Raises UsageError where there is no one to ask."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Add --yes to do so without being asked.")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if answer.strip().lower() in ("y", "yes"):
        return True
    say(f"{'' if answer else chr(10)}Nothing was deleted.", sys.stderr)  # Ctrl-D leaves the cursor after the question
    return False
