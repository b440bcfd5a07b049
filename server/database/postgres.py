"""PostgreSQL, which several replicas share. Sessions hold locks, so a pooler in transaction mode is refused."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.server.database.engine import Database, Result, Transaction
from atelier.server.database.migrations.migrate import migrate

POOL_SIZE = 10  # connections of this process for transactions
CONNECT_TIMEOUT = 5  # seconds
POOL_TIMEOUT = 30  # seconds that a transaction waits for a connection

CALLER_LOCKS = 0x41544C31  # advisory locks of callers, by the hash of their name
MIGRATION_LOCK = 0x41544C30

INSTALL = "Install it with the extra: atelier-mcp[postgres]."


def parse_url(url: str) -> URL:
    """Return the database's URL with its driver. Raises invalid_request, which does not quote it: it has a password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or not re.fullmatch(r"postgres(ql)?(\+psycopg)?", parsed.drivername):
        message = "ATELIER_STATE_URL is wrong: it should be a URL of PostgreSQL."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Write postgresql://user:password@host:5432/database.")
    return parsed.set(drivername="postgresql+psycopg")


def session_engine(url: URL) -> Engine:
    """Return an engine whose connections are for session locks and notifications, outside of the pool.

    Raises storage_failed where the driver is not installed.
    """
    arguments = {"connect_timeout": CONNECT_TIMEOUT}
    with translated_errors():
        return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments)


class PostgresDatabase(Database):
    """A pool of connections, opened when first needed. A connection that broke is replaced."""

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self._opening = Lock()
        self._engine: Engine | None = None

    @property
    def exists(self) -> bool:
        """True: the tables are made when first needed."""
        return True

    def is_readable(self) -> bool:
        """Return True."""
        return True

    def transact(self, transaction: Transaction[Result], *, writes: bool, durable: bool = True) -> Result:
        """Run a transaction in this thread. All are durable, because this process may outlive the server."""
        with translated_errors(), self._open().begin() as connection:
            return transaction(connection)

    def lock_caller(self, connection: Connection, caller: str) -> None:
        """Hold up the other writers of a caller until the transaction ends."""
        lock = text("SELECT pg_advisory_xact_lock(:kind, hashtext(:caller))")
        connection.execute(lock, {"kind": CALLER_LOCKS, "caller": caller})

    def close(self) -> None:
        """Close every connection."""
        with self._opening:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def _open(self) -> Engine:
        with self._opening:
            if self._engine is None:
                engine = create_engine(
                    self.url,
                    pool_size=POOL_SIZE,
                    max_overflow=0,
                    pool_timeout=POOL_TIMEOUT,
                    pool_pre_ping=True,
                    connect_args={"connect_timeout": CONNECT_TIMEOUT},
                )
                try:
                    _check_sessions(engine)
                    with engine.begin() as connection:
                        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
                        migrate(connection, "The database of ATELIER_STATE_URL", "use another database")
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine


def _check_sessions(engine: Engine) -> None:
    """Raise storage_failed behind a pooler that gives each transaction another session: its locks would not hold."""
    with engine.connect() as connection:
        connection.execute(text("SET application_name = 'atelier'"))
        connection.commit()
        first = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.commit()
        name, second = connection.execute(text("SELECT current_setting('application_name'), pg_backend_pid()")).one()
        if first != second or name != "atelier":
            message = "ATELIER_STATE_URL leads to a connection pooler in transaction mode, which breaks session locks."
            raise ImageError(Reason.STORAGE_FAILED, message, hint="Connect to PostgreSQL itself, or use session mode.")


@contextmanager
def translated_errors() -> Generator[None]:
    """Turn errors of the driver into storage_failed, without the URL."""
    try:
        yield
    except (ModuleNotFoundError, NoSuchModuleError):
        message = "ATELIER_STATE_URL is set, but the driver of PostgreSQL is not installed."
        raise ImageError(Reason.STORAGE_FAILED, message, hint=INSTALL) from None
    except (DBAPIError, PoolTimeoutError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        why = sanitize(str(cause).splitlines()[0], 120) if str(cause) else "no answer"
        message = f"The database of ATELIER_STATE_URL cannot be used ({why})."
        raise ImageError(Reason.STORAGE_FAILED, message, hint="Try again when it is back; nothing is lost.") from None
