"""Which process runs which job: each process holds a lock of its own, which is released when it ends, however it ends.

On one machine the lock is on a file; with PostgreSQL it is an advisory lock of a session. A session can be lost while
its process lives: then the process takes another name, and `JobStore` does not let it end the jobs that another process
has claimed meanwhile.
"""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from atelier.server.database.postgres import session_engine, translated_errors
from atelier.server.observability.logs import log


class ProcessLock(Protocol):
    """The lock of this process, by whose name other processes see whether it lives. It is taken when first needed."""

    names: list[str]
    """Every name that this process has had."""

    @property
    def name(self) -> str:
        """The owner's name in this process's jobs."""
        ...

    def is_dead(self, name: str) -> bool:
        """Return whether the process of that name has ended."""
        ...

    def close(self) -> None:
        """Release the lock; jobs that still run under this name are orphaned from now on."""
        ...


class FileProcessLock:
    """A lock on a file in a folder that the processes of one machine share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: FileLock | None = None
        self._name = uuid.uuid4().hex
        self.names = [self._name]  # a lock on a file is never lost

    @property
    def name(self) -> str:
        """The owner's name in this process's jobs. Raises OSError when the folder cannot be written."""
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(self._path(self._name), thread_local=False, mode=0o600)
            lock.acquire()
            self._lock = lock
        return self._name

    def is_dead(self, name: str) -> bool:
        """Return whether the process of that name has ended."""
        if name == self._name:
            return False
        try:
            with FileLock(self._path(name), thread_local=False, mode=0o600, blocking=False):
                pass
        except Timeout:
            return False
        self._path(name).unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
            with suppress(OSError):  # its folder may have been removed
                self._path(self._name).unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"


class SessionProcessLock:
    """An advisory lock of a PostgreSQL session, which the server releases when the connection ends."""

    def __init__(self, url: URL) -> None:
        self._engine = session_engine(url)
        self._session: Connection | None = None
        self.names = list[str]()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The owner's name in this process's jobs. Raises storage_failed when there is no database."""
        with self._lock, translated_errors():
            self._held_session()
            return self.names[-1]

    def is_dead(self, name: str) -> bool:
        """Return whether the session of that name has ended. Also notices when this process has lost its own."""
        with self._lock, translated_errors():
            session = self._held_session()
            if name == self.names[-1]:
                return False
            key = {"key": _key(name)}
            if not session.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
                return False
            session.execute(text("SELECT pg_advisory_unlock(:key)"), key)
            return True

    def close(self) -> None:
        """End the session."""
        with self._lock, suppress(DBAPIError):
            if self._session is not None:
                self._session.close()
                self._session = None

    def _held_session(self) -> Connection:
        """Return the session that holds the lock. A new one, with a new name, if there is none or it was lost."""
        if self._session is not None:
            try:
                self._session.execute(text("SELECT 1"))
            except DBAPIError as error:
                log.warning("process lock lost", extra={"facts": {"why": type(error.orig).__name__}})
                self._session.invalidate()
                self._session.close()
                self._session = None
        if self._session is None:
            session, name = self._engine.connect(), uuid.uuid4().hex
            session.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key(name)})
            self._session = session
            self.names.append(name)
        return self._session


def _key(name: str) -> int:
    """Return the key of an advisory lock, a signed 64-bit integer."""
    return int.from_bytes(bytes.fromhex(name)[:8], signed=True)
