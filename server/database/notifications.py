"""Waiting for jobs that another process runs: a slow poll, and LISTEN/NOTIFY where PostgreSQL has it."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from typing import Any

import anyio
from sqlalchemy import URL, Connection, text

from atelier.server.database.postgres import session_engine
from atelier.server.observability.logs import log

CHANNEL = "atelier_jobs"
LISTEN_TIMEOUT = 1.0  # seconds between two looks whether the process ends
RECONNECT_INTERVAL = 1.0  # seconds


class JobNotifications:
    """Knows of no ends: waiters poll. The database of one machine needs no more."""

    def notify(self, connection: Connection, job: str) -> None:
        """Notify the waiters of every process that a job has ended, once the transaction is committed."""

    async def wait(self, job: str, seconds: float) -> None:
        """Return when the job may have ended, after `seconds` at the latest."""
        await anyio.sleep(seconds)

    def close(self) -> None:
        """Stop listening."""


class PostgresNotifications(JobNotifications):
    """One connection of this process listens for all its waiters, in a thread that starts with the first of them."""

    def __init__(self, url: URL) -> None:
        self._engine = session_engine(url)
        self._waiting: defaultdict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def notify(self, connection: Connection, job: str) -> None:
        """Notify with the transaction."""
        connection.execute(text("SELECT pg_notify(:channel, :job)"), {"channel": CHANNEL, "job": job})

    async def wait(self, job: str, seconds: float) -> None:
        """Return when the job has ended, after `seconds` at the latest: a notification may be lost."""
        mine = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._waiting[job].append(mine)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="atelier-notifications", daemon=True)
                self._thread.start()
        try:
            with anyio.move_on_after(seconds):
                await mine[1].wait()
        finally:
            with self._lock:
                if mine in (waiting := self._waiting.get(job, [])):
                    waiting.remove(mine)
                if not waiting:
                    self._waiting.pop(job, None)

    def close(self) -> None:
        """Stop the thread; it ends within LISTEN_TIMEOUT."""
        self._closed.set()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                with self._engine.connect() as connection:
                    connection.execute(text(f"LISTEN {CHANNEL}"))
                    driver: Any = connection.connection.driver_connection
                    while not self._closed.is_set():
                        for notification in driver.notifies(timeout=LISTEN_TIMEOUT):
                            self._wake(notification.payload)
            except Exception as error:  # noqa: BLE001 - waiters poll meanwhile
                log.warning("notifications lost", extra={"facts": {"why": type(error).__name__}})
                self._closed.wait(RECONNECT_INTERVAL)

    def _wake(self, job: str) -> None:
        with self._lock:
            for loop, event in self._waiting.get(job, ()):
                loop.call_soon_threadsafe(event.set)
