"""A journal that goes away while somebody waits for what it tells, and one whose rows are damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.testing.emulators import openai_rules as emulated
from atelier.providers.testing.emulators.openai import OpenAI
from tests.conftest import Environ
from tests.providers.jobs.conftest import FOX, Open

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(with_openai: Environ) -> Path:
    return Path(with_openai["ATELIER_STATE_DIR"]) / "journal.db"


def damaged(file: Path, outcome: str) -> None:
    """As another program, or a disk, leaves what came of a job."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE jobs SET outcome = ?", (outcome,))


DAMAGE = ["{", "{}", '{"images": 3}', '{"images": [{}]}']


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_row_is_told_once_in_a_sentence_and_then_the_same_call_buys_anew(
    service: Open, openai: OpenAI, file: Path, damage: str
) -> None:
    async with service() as one:
        await one.submit(FOX)
        damaged(file, damage)
        with pytest.raises(ImageError, match="its row in the database is damaged") as caught:
            await one.submit(FOX)
        assert caught.value.reason is Reason.STORAGE_FAILED
        assert len(openai.requests) == 1
        assert isinstance(await one.submit(FOX), ImageResult)


@pytest.mark.parametrize("damage", DAMAGE)
async def test_with_a_key_it_is_told_as_long_as_the_key_holds(
    service: Open, openai: OpenAI, file: Path, damage: str
) -> None:
    async with service() as one:
        await one.submit(FOX, key="order 7")
        damaged(file, damage)
        for _ in range(2):
            with pytest.raises(ImageError, match="is damaged"):
                await one.submit(FOX, key="order 7")
    assert len(openai.requests) == 1


@pytest.mark.parametrize("damage", ["{", "{}", '{"reason": "no such", "message": ""}', '{"facts": 3}'])
async def test_so_is_the_damaged_row_of_a_job_that_failed(
    service: Open, openai: OpenAI, rows: Callable[[], Any], file: Path, damage: str
) -> None:
    openai.next(emulated.MODERATED)
    async with service() as one:
        with pytest.raises(ImageError):
            await one.submit(FOX)
        damaged(file, damage)
        (row,) = await rows()
        with pytest.raises(ImageError, match="is damaged"):
            await one.get_result(row.id)
