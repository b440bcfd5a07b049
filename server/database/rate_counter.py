"""The calls of a caller in a minute, for a rate limit that all replicas share."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from atelier.server.database.engine import Database
from atelier.server.database.schema import rate_counters


async def count_call(database: Database, caller: str, per_minute: int, now: float) -> bool:
    """Count a call of a caller in all replicas. False, and not counted, if it is one too many.

    The calls of the last minute are those of this one, and the share of the previous one that is not over yet.
    """
    minute, seconds = divmod(now, 60)
    columns = rate_counters.c
    mine = columns.caller == caller

    def transaction(connection: Connection) -> bool:
        database.lock_caller(connection, caller)
        rows = connection.execute(select(columns.minute, columns.calls).where(mine))
        counted = {row.minute: row.calls for row in rows}
        this, previous = counted.get(int(minute), 0), counted.get(int(minute) - 1, 0)
        if this + 1 + previous * (1 - seconds / 60) > per_minute:
            return False
        if this:
            connection.execute(update(rate_counters).where(mine, columns.minute == minute).values(calls=this + 1))
        else:
            connection.execute(delete(rate_counters).where(mine, columns.minute < minute - 1))
            connection.execute(insert(rate_counters), {"caller": caller, "minute": int(minute), "calls": 1})
        return True

    return await database.write(transaction)
