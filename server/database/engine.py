"""The journal's file: SQLite in WAL mode, shared by every process on the machine, migrated in place.

Each piece of work is one transaction. A writer takes the lock before it reads (BEGIN IMMEDIATE), so that what it
decides by is still true when it writes; others wait for it up to `PATIENCE` seconds.

Somebody may move the file away or remove it at any time. Before each transaction the open file is held against the one
at its path; when that is another or gone, the open one is left, and what this process still needs goes along.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import anyio
from filelock import FileLock, Timeout

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.database.schema import MIGRATIONS

PATIENCE = 30.0

Found = TypeVar("Found")
Work = Callable[[sqlite3.Connection], Found]

STRANGE = ("not a database", "malformed", "no such table", "no such column", "already exists")
"""What SQLite says of a file that is damaged, or another program's."""

LOCKED = "database is locked"
"""What it says of one that another program does not let go of."""

SIDES = ("-wal", "-shm")
"""What the names of the files that SQLite keeps beside an open one end in."""


class Database:
    """One connection of this process, opened when first needed and used by one thread at a time.

    Its troubles tell where the file is, unless `remote` callers hear of them. `take_along` reads from a file that is
    left what is to be written into the one that takes its place; None where nothing is.
    """

    def __init__(self, path: Path, *, remote: bool = False) -> None:
        self._path = path
        self._sides = [path.with_name(path.name + end) for end in SIDES]
        self._name = "The server's journal" if remote else f"The journal {path}"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._opened_as: list[tuple[int, int] | None] = []
        self._due: Work[None] | None = None
        self.take_along: Work[Work[None] | None] = lambda connection: None

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        with suppress(OSError):
            return bool(self._connection or self._due or _identity(self._path))
        return False

    async def write(self, work: Work[Found]) -> Found:
        """Do something to the journal, all of it or nothing. Raises storage_failed."""
        return await anyio.to_thread.run_sync(self._transact, "BEGIN IMMEDIATE", work)

    async def read(self, work: Work[Found], nothing: Found) -> Found:
        """Look something up in one consistent state of the journal: `nothing` where there is none. Raises
        storage_failed."""

        def look() -> Found:
            return self._transact("BEGIN", work) if self._is_there() else nothing

        return await anyio.to_thread.run_sync(look)

    async def aclose(self) -> None:
        """Close the file."""
        await anyio.to_thread.run_sync(self._close)

    def _is_there(self) -> bool:
        """Whether there is anything to look at: looking is not to leave a file behind."""
        with self._lock, self._troubles():
            self._leave()
            if self._due or _identity(self._path):
                return True
            self._check_folder()
            return False

    def _transact(self, begin: str, work: Work[Found]) -> Found:
        with self._lock, self._troubles():
            self._leave()
            if begin == "BEGIN" and not self._connection and not self._is_writable():
                with closing(self._opened_to_read()) as connection:
                    return _transacted(connection, begin, work)
            return _transacted(self._connection or self._opened(), begin, work)

    def _leave(self) -> None:
        """Close a file that is no longer at its path."""
        if not (connection := self._connection) or _identity(self._path) == self._opened_as[0]:
            return
        if any(map(self._is_of_the_open_one, self._sides)):  # whatever comes to the path would take them for its own
            with self._opening():
                for side in filter(self._is_of_the_open_one, self._sides):
                    side.unlink(missing_ok=True)
        with closing(connection), suppress(sqlite3.Error):  # it may be damaged, and moved away for that
            self._connection = None
            self._due = self.take_along(connection)
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # whoever has it now has all of it

    def _is_of_the_open_one(self, side: Path) -> bool:
        return (found := _identity(side)) is not None and found in self._opened_as[1:]

    def _opening(self) -> FileLock:
        """Held while the files at the path are made, so that nobody takes those of another for left over."""
        return FileLock(self._path.with_suffix(".lock"), timeout=PATIENCE, thread_local=False, mode=0o600)

    def _opened(self) -> sqlite3.Connection:
        self._check_folder()
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._opening():
            if _identity(self._path) is None:
                for side in self._sides:  # of a file that was here before
                    side.unlink(missing_ok=True)
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # prompts and prices are their owner's
            connection = self._connect(str(self._path))
            try:
                _into_wal(connection)
                connection.execute("PRAGMA synchronous = FULL")  # a power cut must not forget what was sent
                self._migrate(connection)
                if self._due:
                    _transacted(connection, "BEGIN IMMEDIATE", self._due)
            except BaseException:
                connection.close()
                raise
            self._connection, self._due = connection, None
            self._opened_as = [_identity(file) for file in (self._path, *self._sides)]
        return connection

    def _opened_to_read(self) -> sqlite3.Connection:
        """The file where nothing can be written, not even beside it: as it is when nothing waits there to go in."""
        waiting = any(side.exists() and side.stat().st_size for side in self._sides[:1])
        connection = self._connect(f"{self._path.as_uri()}?{'mode=ro' if waiting else 'immutable=1'}")
        try:
            if self._version(connection) < len(MIGRATIONS):
                raise sqlite3.OperationalError("an older Atelier wrote it, and it cannot be brought up to date")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, where: str) -> sqlite3.Connection:
        return sqlite3.connect(
            where, timeout=PATIENCE, isolation_level=None, check_same_thread=False, uri=where.startswith("file:")
        )

    def _is_writable(self) -> bool:
        return all(os.access(path, os.W_OK) for path in (self._path, self._path.parent) if path.exists())

    def _check_folder(self) -> None:
        """Raise NotADirectoryError where a file stands in place of its folder."""
        if not next(path for path in self._path.parents if path.exists()).is_dir():
            raise NotADirectoryError

    def _version(self, connection: sqlite3.Connection) -> int:
        """The schema of the file. Raises storage_failed for one that is not known yet."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise ImageError(
                Reason.STORAGE_FAILED,
                f"{self._name} was written by a newer Atelier (schema {version}, not {len(MIGRATIONS)}).",
                hint="Update Atelier, or set ATELIER_STATE_DIR to another folder.",
            )
        return version

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring an older file up to date; several processes may find it old at once."""

        def steps(connection: sqlite3.Connection) -> None:
            for statements in MIGRATIONS[self._version(connection) :]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

        _transacted(connection, "BEGIN IMMEDIATE", steps)

    @contextmanager
    def _troubles(self) -> Generator[None]:
        """Whatever is wrong with the file leaves as storage_failed, with what to do about it."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            hint = "Free some space, or set ATELIER_STATE_DIR to a folder that can be written."
            if isinstance(error, NotADirectoryError):
                why, hint = "its folder is a file", "Set ATELIER_STATE_DIR to a folder."
            elif isinstance(error, Timeout) or "locked" in why:
                why, hint = LOCKED, "Another program holds it. Try again when that has let go."
            elif any(words in why for words in STRANGE):
                hint = "Move it away; what was spent is then counted anew."
            raise ImageError(Reason.STORAGE_FAILED, f"{self._name} cannot be used ({why}).", hint=hint) from None

    def _close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file that is; None where there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _transacted(connection: sqlite3.Connection, begin: str, work: Work[Found]) -> Found:
    connection.execute(begin)
    try:
        found = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return found


def _into_wal(connection: sqlite3.Connection) -> None:
    """Several processes may make the file at once, and this one switch does not wait for others as the rest does."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
