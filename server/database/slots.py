"""Concurrency slots of vendors that all replicas share, as advisory locks of a PostgreSQL session."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from atelier.server.database.postgres import session_engine, translated_errors

FIRST_INTERVAL, LAST_INTERVAL = 0.02, 0.5  # seconds between two tries for a slot

TAKE = text(
    "SELECT free.number FROM (SELECT number FROM generate_series(0, :limit - 1) AS number"
    " WHERE number <> ALL(:held) OFFSET 0) AS free WHERE pg_try_advisory_lock(:vendor, free.number) LIMIT 1"
)


class VendorSlots:
    """The slots that this process holds, all in one session: when it is lost, so are they."""

    def __init__(self, url: URL) -> None:
        self._engine = session_engine(url)
        self._session: Connection | None = None
        self._held = dict[int, set[int]]()
        self._lock = threading.Lock()

    @asynccontextmanager
    async def slot(self, vendor: str, limit: int) -> AsyncGenerator[None]:
        """Hold one of `limit` slots of a vendor within the block; wait until one is free. Raises storage_failed."""
        key, interval = _key(vendor), FIRST_INTERVAL
        while (number := await anyio.to_thread.run_sync(self._take, key, limit)) is None:
            await anyio.sleep(interval * random.uniform(0.5, 1))  # noqa: S311
            interval = min(2 * interval, LAST_INTERVAL)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._give_back, key, number)

    def close(self) -> None:
        """End the session, which frees every slot."""
        with self._lock, suppress(DBAPIError):
            if self._session is not None:
                self._session.close()
                self._session = None

    def _take(self, vendor: int, limit: int) -> int | None:
        with self._lock, translated_errors():
            held = self._held.setdefault(vendor, set())
            try:
                if self._session is None:
                    self._session = self._engine.connect()
                values = {"vendor": vendor, "limit": limit, "held": list(held)}
                number = self._session.execute(TAKE, values).scalar_one_or_none()
            except DBAPIError:
                self._lose_session()
                raise
            if number is not None:
                held.add(number)
            return number

    def _give_back(self, vendor: int, number: int) -> None:
        with self._lock:
            if number not in self._held.get(vendor, set()) or self._session is None:
                return  # the session was lost, and the slot with it
            self._held[vendor].discard(number)
            try:
                values = {"vendor": vendor, "number": number}
                self._session.execute(text("SELECT pg_advisory_unlock(:vendor, :number)"), values)
            except DBAPIError:
                self._lose_session()

    def _lose_session(self) -> None:
        self._held.clear()
        if self._session is not None:
            self._session.invalidate()
            self._session.close()
            self._session = None


def _key(vendor: str) -> int:
    """Return the key of a vendor's advisory locks, a signed 32-bit integer."""
    return int.from_bytes(hashlib.sha256(f"atelier slots {vendor}".encode()).digest()[:4], signed=True)
