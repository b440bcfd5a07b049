"""Bring a database up to date."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from atelier.providers.core.errors import ImageError, Reason

LATEST = "0002"
"""The newest step. A database that has it is not looked at further, so that Alembic is not imported."""


def migrate(connection: Connection, name: str, hint: str) -> None:
    """Run the missing steps in the connection's transaction.

    Raises storage_failed with `name` and `hint` for a database that a newer version of Atelier has written.
    """
    found = version(connection)
    if found == LATEST:
        return
    from alembic.command import upgrade
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    try:
        upgrade(config, "head")
    except CommandError:
        message = f"{name} was written by a newer Atelier (schema {found}, not {LATEST})."
        raise ImageError(Reason.STORAGE_FAILED, message, hint=f"Update Atelier, or {hint}.") from None


def version(connection: Connection) -> str | None:
    """Return the step that a database has; None for one that Alembic has not touched."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
