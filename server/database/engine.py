"""The journal's file: SQLite in WAL mode, shared by every process on the machine, migrated in place.

Each operation is one transaction. A writer takes the lock before it reads (BEGIN IMMEDIATE), so that what it decides by
is still true when it writes; others wait for it up to `LOCK_TIMEOUT` seconds.

A file that is moved or removed while a process has it open is an error until that process is restarted: what it wrote
from then on would be in a file that no other process reads.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import anyio
from filelock import FileLock, Timeout

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.database.schema import MIGRATIONS

LOCK_TIMEOUT = 30.0  # seconds

Result = TypeVar("Result")
Transaction = Callable[[sqlite3.Connection], Result]

NOT_A_JOURNAL = ("not a database", "malformed", "no such table", "no such column", "already exists")
"""What SQLite's errors say of a file that is damaged, or another program's."""

LOCKED = "database is locked"
"""What they say of a file that another program has locked."""

SIDE_FILES = ("-wal", "-shm")
"""The endings of the files that SQLite keeps beside an open one."""


class Database:
    """One connection of this process, opened when first needed and used by one thread at a time.

    Errors name the file, except for `remote` callers.
    """

    def __init__(self, path: Path, *, remote: bool = False) -> None:
        self._path = path
        self._name = "The server's journal" if remote else f"The journal {path}"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened_as: tuple[int, int] | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        with suppress(OSError):
            return bool(self._connection or _identity(self._path))
        return False

    async def write(self, transaction: Transaction[Result]) -> Result:
        """Run a transaction that writes: all of it is stored or nothing. Raises storage_failed."""
        return await anyio.to_thread.run_sync(self._transact, "BEGIN IMMEDIATE", transaction)

    async def read(self, transaction: Transaction[Result], default: Result) -> Result:
        """Run a transaction that only reads. Returns `default` where there is no file, and makes none. Raises
        storage_failed."""

        def run() -> Result:
            return self._transact("BEGIN", transaction) if self._is_present() else default

        return await anyio.to_thread.run_sync(run)

    async def aclose(self) -> None:
        """Close the file."""
        await anyio.to_thread.run_sync(self._close)

    def _is_present(self) -> bool:
        """Return whether there is a file to read."""
        with self._lock, self._translated_errors():
            if self._connection or _identity(self._path):
                return True
            self._check_folder()
            return False

    def _transact(self, begin: str, transaction: Transaction[Result]) -> Result:
        with self._lock, self._translated_errors():
            if self._connection and _identity(self._path) != self._opened_as:
                message = f"{self._name} was moved or removed while Atelier runs."
                raise ImageError(Reason.STORAGE_FAILED, message, hint="Restart Atelier, or put the file back.")
            return _run_in(self._connection or self._open(), begin, transaction)

    def _open(self) -> sqlite3.Connection:
        self._check_folder()
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self._path.with_suffix(".lock"), timeout=LOCK_TIMEOUT, thread_local=False, mode=0o600):
            if _identity(self._path) is None:
                for ending in SIDE_FILES:  # of a removed file that another process still has open
                    self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # prompts and prices are their owner's
            connection = sqlite3.connect(
                self._path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            try:
                _set_wal_mode(connection)
                connection.execute("PRAGMA synchronous = FULL")  # a power cut must not lose what was sent
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._connection, self._opened_as = connection, _identity(self._path)
        return connection

    def _check_folder(self) -> None:
        """Raise NotADirectoryError where a file stands in place of its folder."""
        if not next(path for path in self._path.parents if path.exists()).is_dir():
            raise NotADirectoryError

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring an older file up to date; several processes may find it old at once. Raises storage_failed for the
        schema of a newer version."""

        def steps(connection: sqlite3.Connection) -> None:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise ImageError(
                    Reason.STORAGE_FAILED,
                    f"{self._name} was written by a newer Atelier (schema {version}, not {len(MIGRATIONS)}).",
                    hint="Update Atelier, or set ATELIER_STATE_DIR to another folder.",
                )
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

        _run_in(connection, "BEGIN IMMEDIATE", steps)

    @contextmanager
    def _translated_errors(self) -> Generator[None]:
        """Turn errors of SQLite and of the file system into storage_failed, with what to do about them."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            hint = "Free some space, or set ATELIER_STATE_DIR to a folder that can be written."
            if isinstance(error, NotADirectoryError):
                why, hint = "its folder is a file", "Set ATELIER_STATE_DIR to a folder."
            elif isinstance(error, Timeout) or "locked" in why:
                why, hint = LOCKED, "Another program holds it. Try again when that has let go."
            elif any(words in why for words in NOT_A_JOURNAL):
                hint = "Move it away and restart Atelier; what was spent is then counted anew."
            raise ImageError(Reason.STORAGE_FAILED, f"{self._name} cannot be used ({why}).", hint=hint) from None

    def _close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and number of a file, None where there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _run_in(connection: sqlite3.Connection, begin: str, transaction: Transaction[Result]) -> Result:
    connection.execute(begin)
    try:
        result = transaction(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _set_wal_mode(connection: sqlite3.Connection) -> None:
    """Retry while locked: several processes may make the file at once, and SQLite's own timeout does not cover this
    switch."""
    until = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
