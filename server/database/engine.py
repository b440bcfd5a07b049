"""Transactions on the database: all of one is stored or nothing. SQLite in `sqlite`, PostgreSQL in `postgres`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

import anyio
from sqlalchemy import Connection

Result = TypeVar("Result")
Transaction = Callable[[Connection], Result]


class Database(ABC):
    """Runs transactions in worker threads. Every method raises storage_failed when the database cannot be used."""

    @property
    @abstractmethod
    def exists(self) -> bool:
        """Whether anything was ever written, as far as can be seen. It raises nothing."""

    @abstractmethod
    def is_readable(self) -> bool:
        """Return whether there is anything to read. Raises storage_failed where nothing could ever be written."""

    @abstractmethod
    def transact(self, transaction: Transaction[Result], *, writes: bool, durable: bool = True) -> Result:
        """Run a transaction in this thread; see `write` for `durable`."""

    @abstractmethod
    def lock_caller(self, connection: Connection, caller: str) -> None:
        """Hold up the other writers of a caller until the transaction ends, so that what it reads is still true."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection."""

    async def write(self, transaction: Transaction[Result], *, durable: bool = True) -> Result:
        """Run a transaction that writes. It may be run twice, so it changes nothing but the database.

        Without `durable`, a power cut may undo it, though never without what was written after it.
        """
        return await anyio.to_thread.run_sync(lambda: self.transact(transaction, writes=True, durable=durable))

    async def change(self, transaction: Transaction[Result], default: Result, *, durable: bool = True) -> Result:
        """Run a transaction that only changes what was written; `default` where nothing was, which makes no file."""

        def run() -> Result:
            return self.transact(transaction, writes=True, durable=durable) if self.exists else default

        return await anyio.to_thread.run_sync(run)

    async def read(self, transaction: Transaction[Result], default: Result) -> Result:
        """Run a transaction that only reads. Returns `default` where nothing was ever written, and writes nothing."""

        def run() -> Result:
            return self.transact(transaction, writes=False) if self.is_readable() else default

        return await anyio.to_thread.run_sync(run)

    async def aclose(self) -> None:
        """Close every connection."""
        await anyio.to_thread.run_sync(self.close)
