"""The job store's file: SQLite in WAL mode, shared by every process on the machine.

A writer takes the lock before it reads (BEGIN IMMEDIATE), so that what it decides by is still true when it writes;
others wait for it up to `LOCK_TIMEOUT` seconds. What several threads write at once is committed together: a commit
waits for the disk, which takes longer than all else.

A file that is moved or removed while a process has it open is an error until that process is restarted: what it wrote
from then on would be in a file that no other process reads.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import Connection, StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.database.engine import Database, Result, Transaction
from atelier.server.database.migrations.migrate import migrate

LOCK_TIMEOUT = 30.0  # seconds

DAMAGED = ("not a database", "malformed", "no such table", "no such column", "already exists")
"""What SQLite's errors say of a file that is damaged, or another program's."""

LOCKED = "database is locked"
"""What they say of a file that another program has locked."""

SIDE_FILES = ("-wal", "-shm")
"""The endings of the files that SQLite keeps beside an open one."""

READ = ("BEGIN DEFERRED",)
WRITE = ("PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE")
WRITE_DURABLY = ("PRAGMA synchronous = FULL", "BEGIN IMMEDIATE")
"""The statements that begin a transaction. A commit with FULL brings all that was committed before to the disk."""

EARLIER_SCHEMAS = 3
"""The highest `user_version` of files that were written before Alembic counted the steps."""


@dataclass(frozen=True, slots=True)
class Write:
    """A transaction that waits to be committed, and its result."""

    transaction: Transaction[Any]
    durable: bool
    result: Future[Any] = field(default_factory=Future[Any])


class SqliteDatabase(Database):
    """One connection of this process, opened when first needed and used by one thread at a time.

    Errors name the file, except for `remote` callers.
    """

    def __init__(self, path: Path, *, remote: bool = False) -> None:
        self._path = path
        self._name = "The server's database" if remote else f"The database {path}"
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._opened_as: tuple[int, int] | None = None
        self._writes = deque[Write]()

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        with suppress(OSError):
            return bool(self._connection or _identity(self._path))
        return False

    def is_readable(self) -> bool:
        """Return whether there is a file to read."""
        with self._lock, self._translated_errors():
            if self._connection or _identity(self._path):
                return True
            self._check_folder()
            return False

    def transact(self, transaction: Transaction[Result], *, writes: bool, durable: bool = True) -> Result:
        """Run a transaction in this thread, or have another thread commit it with its own."""
        if not writes:
            with self._lock, self._begun(READ) as connection:
                return transaction(connection)
        write = Write(transaction, durable)
        self._writes.append(write)
        with self._lock:
            if self._writes:
                self._commit([self._writes.popleft() for _ in range(len(self._writes))])
        return write.result.result()

    def _commit(self, writes: Sequence[Write]) -> None:
        """Run transactions in one of SQLite's. If any of them fails, each is run alone."""
        durable = any(write.durable for write in writes)
        try:
            with self._begun(WRITE_DURABLY if durable else WRITE) as connection:
                results = [write.transaction(connection) for write in writes]
        except BaseException as error:  # noqa: BLE001 - the thread that waits for the result raises it
            if len(writes) == 1:
                writes[0].result.set_exception(error)
                return
            for write in writes:
                self._commit([write])
        else:
            for write, result in zip(writes, results, strict=True):
                write.result.set_result(result)

    def lock_caller(self, connection: Connection, caller: str) -> None:
        """Do nothing: a writer has the file for itself."""

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection.engine.dispose()
                self._connection = None

    @contextmanager
    def _begun(self, begin: Sequence[str]) -> Generator[Connection]:
        """Run a transaction within the block. The caller has the lock."""
        with self._translated_errors():
            if self._connection and _identity(self._path) != self._opened_as:
                message = f"{self._name} was moved or removed while Atelier runs."
                raise ImageError(Reason.STORAGE_FAILED, message, hint="Restart Atelier, or put the file back.")
            connection = self._connection or self._open()
            with _transaction(connection, begin):
                yield connection

    def _open(self) -> Connection:
        self._check_folder()
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(self._path.with_suffix(".lock"), timeout=LOCK_TIMEOUT, thread_local=False, mode=0o600):
            if _identity(self._path) is None:
                for ending in SIDE_FILES:  # of a removed file that another process still has open
                    self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # prompts and prices are private
            engine = create_engine("sqlite://", creator=self._connect, poolclass=StaticPool)
            try:
                connection = engine.connect()
                with _transaction(connection, WRITE_DURABLY):
                    self._check_version(connection)
                    migrate(connection, self._name, "set ATELIER_STATE_DIR to another folder")
            except BaseException:
                engine.dispose()
                raise
            self._connection, self._opened_as = connection, _identity(self._path)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            _set_wal_mode(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_version(self, connection: Connection) -> None:
        """Raise storage_failed for the schema of a newer version that did not count its steps by Alembic."""
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version > EARLIER_SCHEMAS:
            message = f"{self._name} was written by a newer Atelier (schema {version}, not {EARLIER_SCHEMAS})."
            hint = "Update Atelier, or set ATELIER_STATE_DIR to another folder."
            raise ImageError(Reason.STORAGE_FAILED, message, hint=hint)

    def _check_folder(self) -> None:
        """Raise NotADirectoryError where a file stands in place of its folder."""
        if not next(path for path in self._path.parents if path.exists()).is_dir():
            raise NotADirectoryError

    @contextmanager
    def _translated_errors(self) -> Generator[None]:
        """Turn errors of SQLite and of the file system into storage_failed, with what to do about them."""
        try:
            yield
        except (DBAPIError, sqlite3.Error, OSError) as raised:
            error = raised.orig if isinstance(raised, DBAPIError) else raised
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            hint = "Free some space, or set ATELIER_STATE_DIR to a folder that can be written."
            if isinstance(error, NotADirectoryError):
                why, hint = "its folder is a file", "Set ATELIER_STATE_DIR to a folder."
            elif isinstance(error, Timeout) or "locked" in why:
                why, hint = LOCKED, "Another process has locked it. Close that process and try again."
            elif any(words in why for words in DAMAGED):
                hint = "Move it away and restart Atelier; spending is then counted from zero."
            raise ImageError(Reason.STORAGE_FAILED, f"{self._name} cannot be used ({why}).", hint=hint) from None


@contextmanager
def _transaction(connection: Connection, begin: Sequence[str]) -> Generator[None]:
    """Run a transaction within the block. The driver begins none by itself (`isolation_level=None`)."""
    for statement in begin:
        connection.exec_driver_sql(statement)
    try:
        yield
        connection.commit()
    except BaseException:
        with suppress(DBAPIError, sqlite3.Error):
            connection.rollback()
        raise


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and number of a file, None where there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


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
