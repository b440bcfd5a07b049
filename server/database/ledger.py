"""The ledger: reservations and costs of vendor calls, and the sums of what was spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from statistics import median
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, bindparam, case, func, insert, literal, select

from atelier.providers.core.tracing import new_id
from atelier.providers.pipeline.states import CallState
from atelier.providers.pricing.budget import BudgetLeft, CapExceeded, Caps, Ledger, Reservation, Spending
from atelier.server.database.engine import Database
from atelier.server.database.schema import MICRO_USD, Usd, daily_spending, vendor_calls
from atelier.server.database.spending import By, Spent

calls = vendor_calls.c

GROUPINGS: dict[By, ColumnElement[str]] = {
    "model": calls.provider + "/" + calls.model,
    "vendor": calls.provider,
    "day": calls.day,
    "caller": calls.caller,
}
"""The expression of each grouping of `spend`."""

LATEST_CALLS = 20  # of a model, from which the time of the next is guessed

NOTHING = literal(Decimal(0), Usd)

COUNTED = case(
    (calls.state == CallState.RELEASED, NOTHING),
    (calls.state == CallState.SETTLED, func.coalesce(calls.spent_usd, calls.reserved_usd, NOTHING)),
    else_=func.coalesce(calls.reserved_usd, NOTHING),
)
"""USD of a call that count towards the caps."""

SPENT_SINCE = select(func.sum(daily_spending.c.usd, type_=Usd)).where(
    daily_spending.c.caller == bindparam("caller"), daily_spending.c.day >= bindparam("since")
)


def utc_now() -> datetime:
    """Return the time by which rows are written and compared."""
    return datetime.now(UTC)


def utc_day() -> date:
    """Return today's date in UTC, by which budget periods are counted."""
    return utc_now().date()


def rounded(usd: Decimal) -> Decimal:
    """Return the nearest amount in MICRO_USD."""
    return usd.quantize(MICRO_USD, ROUND_HALF_UP)


def rounded_up(usd: Decimal) -> Decimal:
    """Return the amount in MICRO_USD that is not below."""
    return usd.quantize(MICRO_USD, ROUND_CEILING)


class SqlLedger(Ledger):
    """Vendor calls of every process that shares the database."""

    def __init__(self, database: Database, today: Callable[[], date] = utc_day) -> None:
        self.database = database
        self._today = today

    async def reserve(self, reservations: Sequence[Reservation], caps: Caps) -> CapExceeded | None:
        """Reserve all of them or none; they are of one caller."""
        return await self.database.write(lambda connection: self.reserve_in(connection, reservations, caps))

    def reserve_in(self, connection: Connection, reservations: Sequence[Reservation], caps: Caps) -> CapExceeded | None:
        """Reserve within an open transaction."""
        if not reservations:  # of a job that is free
            return None
        self.database.lock_caller(connection, reservations[0].caller)
        reserved = [None if each.usd is None else rounded_up(each.usd) for each in reservations]
        wanted = sum((usd for usd in reserved if usd is not None), Decimal(0))
        if short := self._exceeded_cap(connection, reservations[0].caller, wanted, caps):
            return short
        day = self._today().isoformat()
        rows = [
            {
                "id": each.id,
                "job_id": each.job,
                "caller": each.caller,
                "provider": each.provider,
                "model": each.model,
                "operation": each.operation,
                "image_count": each.pictures,
                "day": day,
                "reserved_usd": usd,
                "state": CallState.RESERVED,
            }
            for each, usd in zip(reservations, reserved, strict=True)
        ]
        connection.execute(insert(vendor_calls), rows)
        return None

    async def reserve_retry(self, id: str, caps: Caps) -> CapExceeded | None:
        """Reserve a retry as a second row; it begins as unknown, since both requests may be billed."""

        def transaction(connection: Connection) -> CapExceeded | None:
            found = connection.execute(select(vendor_calls).where(calls.id == id)).mappings().one_or_none()
            if found is None:
                return None
            self.database.lock_caller(connection, found["caller"])
            if short := self._exceeded_cap(connection, found["caller"], found["reserved_usd"] or Decimal(0), caps):
                return short
            retry = {"id": new_id("chg"), "retry_of": id, "state": CallState.UNKNOWN, "sent_at": utc_now()}
            connection.execute(insert(vendor_calls), {**found, **retry, "vendor_task": None})
            return None

        return await self.database.write(transaction)

    async def budget_left(self, caller: str, caps: Caps) -> BudgetLeft:
        """Return what the caller may still spend."""

        def transaction(connection: Connection) -> BudgetLeft:
            found = {
                period: max(Decimal(0), rounded(cap) - _spent_since(connection, caller, since))
                for period, cap, since in _periods(caps, self._today().isoformat())
            }
            return BudgetLeft(day=found.get("day"), month=found.get("month"))

        return await self.database.read(transaction, BudgetLeft(day=caps.per_day, month=caps.per_month))

    async def spending(self, caller: str) -> Spending:
        """Return what the caller has spent."""
        day = self._today().isoformat()

        def transaction(connection: Connection) -> Spending:
            today, month = (_spent_since(connection, caller, since) for since in (day, _month_of(day)))
            return Spending(day=today, month=month)

        return await self.database.read(transaction, Spending())

    async def usual_seconds(self, caller: str, model: str) -> float | None:
        """Return the median of the caller's latest calls of `vendor/model` within a week; None without any."""
        week_ago = (self._today() - timedelta(days=7)).isoformat()
        query = (
            select(calls.sent_at, calls.settled_at)
            .where(calls.caller == caller, calls.day >= week_ago, calls.state == CallState.SETTLED)
            .where(calls.provider + "/" + calls.model == model, calls.sent_at.is_not(None))
            .order_by(calls.day.desc(), calls.id.desc())
            .limit(LATEST_CALLS)
        )

        def transaction(connection: Connection) -> float | None:
            seconds = [(settled - sent).total_seconds() for sent, settled in connection.execute(query)]
            return median(seconds) if seconds else None

        return await self.database.read(transaction, None)

    async def spend_by(self, by: By, since: date | None = None) -> list[Spent]:
        """Return what was spent from a day on, by descending cost, or days in their order."""
        name, usd = GROUPINGS[by].label("name"), func.sum(COUNTED, type_=Usd).label("usd")
        unsettled = func.sum(case((calls.state == CallState.SETTLED, NOTHING), else_=COUNTED), type_=Usd)
        query = (
            select(name, func.count(), func.sum(calls.image_count), usd, unsettled)
            .where(calls.state != CallState.RELEASED, calls.day >= (since.isoformat() if since else ""))
            .group_by(name)
            .order_by(*([name] if by == "day" else [usd.desc(), name]))
        )

        def transaction(connection: Connection) -> list[Spent]:
            return [
                Spent(name=name, calls=calls, pictures=pictures, usd=usd, unsettled_usd=unsettled)
                for name, calls, pictures, usd, unsettled in connection.execute(query)
            ]

        return await self.database.read(transaction, [])

    async def restore_call(self, row: Mapping[str, Any]) -> bool:
        """Write a settled vendor call that the ledger does not have. False if it has it."""

        def transaction(connection: Connection) -> bool:
            if connection.execute(select(calls.id).where(calls.id == row["id"])).one_or_none():
                return False
            connection.execute(insert(vendor_calls), {**row, "state": CallState.SETTLED})
            return True

        return await self.database.write(transaction)

    def _exceeded_cap(self, connection: Connection, caller: str, wanted: Decimal, caps: Caps) -> CapExceeded | None:
        """Return the cap that `wanted` USD more would exceed."""
        for period, cap, since in _periods(caps, self._today().isoformat()):
            left = rounded(cap) - _spent_since(connection, caller, since)
            if wanted > left:
                return CapExceeded(period=period, cap=cap, left=max(Decimal(0), left))
        return None


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


def _spent_since(connection: Connection, caller: str, since: str) -> Decimal:
    """Return the USD of a caller from a day on."""
    found = connection.execute(SPENT_SINCE, {"caller": caller, "since": since}).scalar_one()
    return found or Decimal(0)
