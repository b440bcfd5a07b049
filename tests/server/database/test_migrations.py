"""The steps lead to the tables of `schema`, from nothing and from the files of earlier versions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from atelier.server.database.schema import metadata
from tests.server.database.conftest import open_store
from tests.server.database.test_jobs import identity

pytestmark = pytest.mark.anyio

EARLIER = """
    CREATE TABLE charges (
        id TEXT PRIMARY KEY, job TEXT NOT NULL, caller TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
        operation TEXT NOT NULL, pictures INTEGER NOT NULL, day TEXT NOT NULL,
        reserved INTEGER CHECK (reserved >= 0), spent INTEGER CHECK (spent >= 0),
        state TEXT NOT NULL CHECK (state IN ('reserved', 'sent', 'settled', 'released', 'unknown')), task TEXT
    ) STRICT;
    CREATE INDEX charges_by_day ON charges (caller, day);
    CREATE VIEW spending AS SELECT *, coalesce(spent, reserved, 0) AS counted FROM charges;
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY, caller TEXT NOT NULL, fingerprint TEXT NOT NULL, request TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'unknown', 'cancelled')),
        outcome TEXT NOT NULL DEFAULT '{}', delivered INTEGER NOT NULL DEFAULT 0, owner TEXT NOT NULL,
        created TEXT NOT NULL
    ) STRICT;
    CREATE INDEX jobs_alike ON jobs (caller, fingerprint);
    CREATE INDEX jobs_running ON jobs (state) WHERE state = 'running';
    CREATE INDEX charges_of_job ON charges (job);
    CREATE TABLE assets (id TEXT PRIMARY KEY, job TEXT NOT NULL, charge TEXT NOT NULL) STRICT;
    CREATE INDEX assets_of_charge ON assets (charge);
    CREATE INDEX jobs_by_time ON jobs (created);
    PRAGMA user_version = 3;
    INSERT INTO jobs VALUES
        ('job_a', '1', 'same', '{"prompt": "a fox", "count": 1}', 'done', '{"images": [{"id": "img_1"}]}', 0, 'p', '2026-11-20 08:00:00.000000'),
        ('job_b', '1', 'key:abc', '{"prompt": "an owl", "asked": "print"}', 'done', '{"images": [{"id": "img_2"}]}', 1, 'p', '2026-11-20 09:00:00.000000'),
        ('job_c', '1', 'other', '{}', 'running', '{}', 0, 'dead', '2026-11-20 10:00:00.000000');
    INSERT INTO charges VALUES
        ('chg_a', 'job_a', '1', 'openai', 'gpt-image-2', 'generate', 1, '2026-11-21', 50000, 40001, 'settled', NULL),
        ('chg_c', 'job_c', '1', 'flux', 'flux-2-pro', 'generate', 1, '2026-11-21', 30000, NULL, 'sent', '{"id": "t1"}');
    INSERT INTO assets VALUES ('img_1', 'job_a', 'chg_a');
"""  # noqa: E501 - one row, one line


async def test_the_steps_lead_to_the_tables_of_the_code(place: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": False}), metadata)

    assert await open_store(place).database.write(differences) == []


async def test_a_file_of_an_earlier_version_is_migrated_in_place(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection, connection:
        connection.executescript(EARLIER)
    store = open_store(str(tmp_path))
    (spent, running) = await store.spend_by("vendor")
    assert (spent.name, spent.usd, spent.unsettled_usd) == ("openai", Decimal("0.040001"), 0)
    assert (running.name, running.usd, running.unsettled_usd) == ("flux", Decimal("0.03"), Decimal("0.03"))
    assert (await store.spending("1")).day == Decimal("0.070001")
    undelivered = await store.find_duplicate(identity())
    assert undelivered is not None
    assert (undelivered.id, undelivered.outcome["images"], undelivered.delivered) == ("job_a", [{"id": "img_1"}], False)
    keyed = await store.get_job("job_b")
    assert keyed is not None
    assert (keyed.fingerprint, keyed.delivered) == ("print", True)
    (call,) = await store.list_calls("job_c")
    assert (call.task, call.state) == ({"id": "t1"}, "sent")
    assert (await store.list_calls("job_a"))[0].images == ("img_1",)
    assert [row.id for row in await store.claim_orphaned_jobs(lambda caller, home: True)] == ["job_c"]
