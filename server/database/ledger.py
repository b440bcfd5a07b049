"""The ledger: `Ledger` in the journal, and the sums of what was spent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

from atelier.providers.core.ids import new_id
from atelier.providers.pipeline.states import CALL_TRANSITIONS, CallState, sources_of
from atelier.providers.pricing.budget import Caps, Left, Reservation, Shortage, Spending, micro, micro_up, usd_of
from atelier.server.database.engine import Database

By = Literal["model", "vendor", "day", "caller"]

COLUMNS: dict[By, str] = {"model": "provider || '/' || model", "vendor": "provider", "day": "day", "caller": "caller"}
"""The column of each grouping of `spend`."""


def utc_day() -> date:
    """Return the day on which a charge counts."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """One group: its vendor calls and pictures that were or may have been billed, and USD.

    `unsettled_usd` is the part whose bill is not known: calls under way, and those with an unknown outcome.
    """

    name: str
    calls: int
    pictures: int
    usd: Decimal
    unsettled_usd: Decimal


class SqliteLedger:
    """Charges of every process that shares the journal."""

    def __init__(self, database: Database, today: Callable[[], date] = utc_day) -> None:
        self.database = database
        self._today = today

    async def reserve(self, charges: Sequence[Reservation], caps: Caps) -> Shortage | None:
        """Reserve all charges or none; they are of one caller."""
        return await self.database.write(lambda connection: self.reserve_in(connection, charges, caps))

    def reserve_in(self, connection: sqlite3.Connection, charges: Sequence[Reservation], caps: Caps) -> Shortage | None:
        """The same within a transaction."""
        if not charges:  # of a job that is free
            return None
        day, wanted = self._today().isoformat(), sum(micro_up(c.usd) for c in charges if c.usd is not None)
        rows = [
            (c.id, c.job, c.caller, c.provider, c.model, c.operation, c.pictures, day,
             None if c.usd is None else micro_up(c.usd))
            for c in charges
        ]  # fmt: skip
        if short := self._short(connection, charges[0].caller, wanted, caps):
            return short
        columns = "id, job, caller, provider, model, operation, pictures, day, reserved, state"
        connection.executemany(f"INSERT INTO charges ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'reserved')", rows)  # noqa: S608 - ours
        return None

    async def mark_sent(self, id: str) -> None:
        """Record that the request is about to be sent."""
        await self._move(id, CallState.SENT)

    async def settle_call(self, id: str, usd: Decimal | None) -> None:
        """Record what was billed."""
        await self._move(id, CallState.SETTLED, None if usd is None else micro(usd))

    async def release_call(self, id: str) -> None:
        """Record that nothing was billed."""
        await self._move(id, CallState.RELEASED)

    async def mark_call_unknown(self, id: str) -> None:
        """Record that it is unknown whether it was billed."""
        await self._move(id, CallState.UNKNOWN)

    async def reserve_retry(self, id: str, caps: Caps) -> Shortage | None:
        """Reserve a retry; the first request becomes unknown, since it may be billed as well."""
        columns = "job, caller, provider, model, operation, pictures, day, reserved"

        def transaction(connection: sqlite3.Connection) -> Shortage | None:
            query = "SELECT caller, coalesce(reserved, 0) FROM charges WHERE id = ?"
            found = connection.execute(query, (id,)).fetchone()
            caller, reserved = found or ("", 0)
            if short := self._short(connection, caller, reserved, caps):
                return short
            copied = (
                f"INSERT INTO charges (id, {columns}, state) SELECT ?, {columns}, 'unknown' FROM charges WHERE id = ?"  # noqa: S608
            )
            connection.execute(copied, (new_id("chg"), id))
            return None

        return await self.database.write(transaction)

    async def budget_left(self, caller: str, caps: Caps) -> Left:
        """Return what the caller may still spend."""
        day = self._today().isoformat()

        def transaction(connection: sqlite3.Connection) -> Left:
            found = {
                period: usd_of(max(0, micro(cap) - _counted(connection, caller, since)))
                for period, cap, since in _periods(caps, day)
            }
            return Left(day=found.get("day"), month=found.get("month"))

        return await self.database.read(transaction, Left(day=caps.per_day, month=caps.per_month))

    async def spending(self, caller: str) -> Spending:
        """Return what the caller has spent."""
        day = self._today().isoformat()

        def transaction(connection: sqlite3.Connection) -> Spending:
            today, month = (_counted(connection, caller, since) for since in (day, _month_of(day)))
            return Spending(day=usd_of(today), month=usd_of(month))

        return await self.database.read(transaction, Spending())

    async def spend_by(self, by: By, since: date | None = None) -> list[Spent]:
        """Return what was spent from a day on, by descending cost, or days in their order."""
        order = "name" if by == "day" else "usd DESC, name"
        query = f"""
            SELECT {COLUMNS[by]} AS name, count(*) AS calls, sum(pictures) AS pictures, sum(counted) AS usd,
                sum(CASE WHEN state = 'settled' THEN 0 ELSE counted END) AS unsettled
            FROM spending WHERE state != 'released' AND day >= ? GROUP BY name ORDER BY {order}
        """  # noqa: S608 - the column is one of ours

        def transaction(connection: sqlite3.Connection) -> list[Spent]:
            rows = connection.execute(query, (since.isoformat() if since else "",)).fetchall()
            return [
                Spent(name=name, calls=calls, pictures=pictures, usd=usd_of(usd), unsettled_usd=usd_of(unsettled))
                for name, calls, pictures, usd, unsettled in rows
            ]

        return await self.database.read(transaction, [])

    def _short(self, connection: sqlite3.Connection, caller: str, wanted: int, caps: Caps) -> Shortage | None:
        """Return the cap that `wanted` micro-USD more would exceed."""
        for period, cap, since in _periods(caps, self._today().isoformat()):
            left = micro(cap) - _counted(connection, caller, since)
            if wanted > left:
                return Shortage(period=period, cap=cap, left=usd_of(max(0, left)))
        return None

    async def _move(self, id: str, state: CallState, spent: int | None = None) -> None:
        """Move a call to a state, if the present one allows it."""
        before = sources_of(state, CALL_TRANSITIONS)
        marks = ", ".join("?" * len(before))
        statement = f"UPDATE charges SET state = ?, spent = ? WHERE id = ? AND state IN ({marks})"  # noqa: S608
        await self.database.write(lambda connection: connection.execute(statement, (state, spent, id, *before)))


def _periods(caps: Caps, day: str) -> list[tuple[Literal["day", "month"], Decimal, str]]:
    """Return each cap with the first day that counts."""
    found: list[tuple[Literal["day", "month"], Decimal, str]] = []
    if caps.per_day is not None:
        found.append(("day", caps.per_day, day))
    if caps.per_month is not None:
        found.append(("month", caps.per_month, _month_of(day)))
    return found


def _month_of(day: str) -> str:
    """Return the first day of the month."""
    return day[:8] + "01"


def _counted(connection: sqlite3.Connection, caller: str, since: str) -> int:
    """Return the micro-USD of a caller from a day on."""
    query = "SELECT coalesce(sum(counted), 0) FROM spending WHERE caller = ? AND day >= ?"
    (found,) = connection.execute(query, (caller, since)).fetchone()
    return found
