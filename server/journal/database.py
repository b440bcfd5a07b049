"""The journal's file: SQLite in WAL mode, shared by every process on the machine, migrated in place.

Each piece of work is one transaction. A writer takes the lock before it reads (BEGIN IMMEDIATE), so that what it
decides by is still true when it writes; others wait for it up to `PATIENCE` seconds.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.journal.schema import MIGRATIONS

PATIENCE = 30.0

Found = TypeVar("Found")
Work = Callable[[sqlite3.Connection], Found]


STRANGE = ("not a database", "malformed", "no such table", "no such column", "already exists")
"""What SQLite says of a file that is damaged, or another program's."""


class Database:
    """One connection of this process, opened when first needed and used by one thread at a time.

    Its troubles tell where the file is, unless `remote` callers hear of them.
    """

    def __init__(self, path: Path, *, remote: bool = False) -> None:
        self._path = path
        self._name = "The server's journal" if remote else f"The journal {path}"
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        return self._path.exists()

    async def write(self, work: Work[Found]) -> Found:
        """Do something to the journal, all of it or nothing. Raises storage_failed."""
        return await anyio.to_thread.run_sync(self._transact, "BEGIN IMMEDIATE", work)

    async def read(self, work: Work[Found], nothing: Found) -> Found:
        """Look something up in one consistent state of the journal: `nothing` where there is none. Raises
        storage_failed."""
        if not self.exists:  # looking is not to leave a file behind
            return nothing
        return await anyio.to_thread.run_sync(self._transact, "BEGIN", work)

    async def aclose(self) -> None:
        """Close the file."""
        await anyio.to_thread.run_sync(self._close)

    def _transact(self, begin: str, work: Work[Found]) -> Found:
        with self._lock:
            try:
                connection = self._connection or self._opened()
                connection.execute(begin)
                try:
                    found = work(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, OSError) as error:
                raise self._trouble((isinstance(error, OSError) and error.strerror) or str(error)) from None
            return found

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))  # prompts and prices are their owner's alone
        connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _into_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")  # a power cut must not forget what was sent
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring an older file up to date; several processes may find it old at once."""
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            connection.execute("ROLLBACK")
            raise ImageError(
                Reason.STORAGE_FAILED,
                f"{self._name} was written by a newer Atelier (schema {version}, not {len(MIGRATIONS)}).",
                hint="Update Atelier, or set ATELIER_STATE_DIR to another folder.",
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")

    def _trouble(self, why: str) -> ImageError:
        hint = "Free some space, or set ATELIER_STATE_DIR to a folder that can be written."
        if any(words in why for words in STRANGE):
            hint = "Move it away; what was spent is then counted anew."
        return ImageError(Reason.STORAGE_FAILED, f"{self._name} cannot be used ({why}).", hint=hint)

    def _close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


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
