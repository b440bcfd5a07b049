"""`atelier spend`: what was spent, by group; `--rebuild` restores the ledger from the records of the images."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from typing import Any

import anyio

from atelier.providers.core.errors import sanitize
from atelier.providers.pricing.price_parts import usd
from atelier.server.cli.terminal.output import Column, UsageError, say, say_json
from atelier.server.cli.terminal.output import table as aligned
from atelier.server.composition import job_store_of
from atelier.server.database.rebuild import calls_of, records_in
from atelier.server.database.spending import By, Spent
from atelier.server.settings import Settings
from atelier.server.storage.caller_storages import CallerStorages


def spend(*, by: By, since: str | None, rebuild: bool, json: bool) -> int:
    """Print what was spent, grouped by model by default."""
    day = _day(since)
    if rebuild:
        restored = anyio.run(restore)
        say(f"{restored} vendor call{'' if restored == 1 else 's'} restored.", sys.stderr)
    rows = anyio.run(spent, by, day)
    if json:
        say_json(facts(rows))
    else:
        say(table(by, rows))
    return 0


async def spent(by: By, since: date | None) -> list[Spent]:
    """Return the groups from the ledger."""
    job_store = job_store_of(Settings.load())
    try:
        return await job_store.spend_by(by, since)
    finally:
        await job_store.aclose()


async def restore() -> int:
    """Restore the ledger from the records of every caller's images. Return how many vendor calls it lacked."""
    settings = Settings.load()
    store, restored = job_store_of(settings), 0
    try:
        for folder, storage in await CallerStorages(settings).stored():
            for row in calls_of(await records_in(storage), folder):
                restored += await store.restore_call(row)
        return restored
    finally:
        await store.aclose()


def table(by: str, rows: list[Spent]) -> str:
    """Return the groups as a table with their total."""
    if not rows:
        return "Nothing was spent."
    lines = [_line(row.name, row.calls, row.pictures, row.usd, row.unsettled_usd) for row in rows]
    calls, pictures = sum(row.calls for row in rows), sum(row.pictures for row in rows)
    lines.append(_line("total", calls, pictures, total(rows), sum((row.unsettled_usd for row in rows), Decimal(0))))
    heads = ("calls", "images", "USD", "of it unsettled")
    return aligned((Column(by, flexible=True), *(Column(head, right=True) for head in heads)), lines)


def facts(rows: list[Spent]) -> dict[str, Any]:
    """Return the groups as JSON data."""
    groups = [
        {
            "name": row.name,
            "calls": row.calls,
            "pictures": row.pictures,
            "usd": float(row.usd),
            "unsettled_usd": float(row.unsettled_usd),
        }
        for row in rows
    ]
    return {"total_usd": float(total(rows)), "rows": groups}


def total(rows: list[Spent]) -> Decimal:
    """Return the sum of all groups in USD."""
    return sum((row.usd for row in rows), Decimal(0))


def _line(name: str, calls: int, pictures: int, spent: Decimal, unsettled: Decimal) -> tuple[str, ...]:
    return name, str(calls), str(pictures), usd(spent), usd(unsettled) if unsettled else ""


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(f"--since {sanitize(text, 40)} is not a day. Write it as YYYY-MM-DD.") from None
