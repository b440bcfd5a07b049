"""Runs the steps on the connection that `migrate` passes; see Alembic's documentation of `env.py`."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
context.run_migrations()
