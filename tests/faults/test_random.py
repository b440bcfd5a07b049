"""Many random calls with random faults, cancellations and repetitions; after each, the books must be true.

A run that fails says its seed; `pytest tests/faults/test_random.py --fault-runs 1 --fault-seed SEED` repeats it.
"""

from __future__ import annotations

import random
import shutil
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from atelier.providers import flux as flux_vendor
from atelier.providers.budget import micro, usd_of
from atelier.providers.core import retry
from atelier.providers.core.errors import ImageError
from atelier.providers.core.types import ImageRequest
from atelier.providers.desk import Desk
from atelier.server.assembly import journal_of, pipeline_of, storage_of
from atelier.server.settings import Settings
from tests.conftest import TODAY
from tests.emulators.flux import Flux
from tests.emulators.server import Answer, Dropped, Slow
from tests.faults.conftest import Vendor, tally
from tests.faults.proxy import HalfJson, ResetAfter, Truncated

STORM = Answer(429, {"error": {"message": "Slow down."}}, {"retry-after": "0"})
FAULTS: dict[str, Any] = {
    "none": None,
    "reset before the answer": Dropped(),
    "reset after the work": ResetAfter(),
    "answer cut off": Truncated(),
    "broken JSON": HalfJson(),
    "429": STORM,
    "500": Answer(500, {"error": {"message": "Broken."}}),
    "503": Answer(503, {}),
    "400": Answer(400, {"error": {"message": "No."}}),
    "402": Answer(402, {"detail": "No credit."}),
    "slow": Slow(0.05),
    "too slow": Slow(1.2),
    "nonsense": Answer(200, b"<html>"),
}
LATE = {"poll fails": Answer(503, {}), "poll breaks": Dropped(), "poll is nonsense": Answer(200, b"[]")}
"""What goes wrong after a task was taken and billed."""


class Quick(random.Random):
    """Waits between tries that take no time."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


async def one_run(seed: int, vendors: list[Vendor], folder: Path) -> None:
    chance = random.Random(seed)
    vendor = chance.choice(vendors)
    kinds = [chance.choice(list(FAULTS)) for _ in range(chance.randint(0, 5))]
    vendor.proxy.reset()
    vendor.emulator.script.clear()
    vendor.proxy.next(*(FAULTS[kind] for kind in kinds))
    if isinstance(vendor.emulator, Flux):
        vendor.emulator.credits = 100.0
        vendor.emulator.polls.script.clear()
    if isinstance(vendor.emulator, Flux) and chance.random() < 0.4:
        kinds.append(chance.choice(list(LATE)))
        vendor.emulator.polls.next(LATE[kinds[-1]])
    environ = {
        **vendor.environ, "ATELIER_OUTPUT_DIR": str(folder / "out"), "ATELIER_STATE_DIR": str(folder / "state"),
        "ATELIER_TIMEOUT_SECONDS": "1", "ATELIER_CONCURRENCY": str(chance.randint(1, 3)),
    }  # fmt: skip
    settings = Settings.from_environ(environ)
    request = ImageRequest(prompt="a fox", count=chance.randint(1, 3), **vendor.asked)  # pyright: ignore[reportArgumentType]
    for _ in range(chance.randint(1, 3)):
        async with Desk(pipeline_of(settings, storage_of(settings), lambda: TODAY)) as desk:
            with anyio.move_on_after(chance.choice([0.0, 0.005, 0.02, 0.1, 60])):
                try:
                    result: Any = await desk.draw(request)
                except ImageError:
                    continue
                if chance.random() < 0.5:
                    desk.delivered(result.id)
    await books_are_true(settings, vendor, folder, kinds, request)


async def books_are_true(
    settings: Settings, vendor: Vendor, folder: Path, kinds: list[str], request: ImageRequest
) -> None:
    """What the vendor billed is in the ledger, what arrived is on the disk once, and nothing goes on for ever."""
    while vendor.proxy.under_way:
        await anyio.sleep(0.01)
    journal = journal_of(settings)
    jobs = await journal.jobs(100) if journal.database.exists else []
    charges: list[tuple[str, int | None, int | None]] = (
        await journal.database.read(lambda c: c.execute("SELECT state, reserved, spent FROM charges").fetchall())
        if jobs
        else []
    )
    await journal.aclose()
    settled = sum(spent or 0 for state, _, spent in charges if state == "settled")
    kept = sum(reserved or 0 for state, reserved, _ in charges if state == "unknown")
    billed = sum(micro(usd) for usd in vendor.proxy.billed)
    records = list(folder.rglob("img_*.json"))
    pictures = [path for path in folder.rglob("img_*.*") if path.suffix in (".png", ".jpg", ".webp")]
    paid_for = sum(vendor.proxy.billed, Decimal(0))
    assert {job.state for job in jobs} <= {"done", "failed", "unknown", "cancelled"}
    assert {state for state, _, _ in charges} <= {"settled", "released", "unknown"}
    assert settled <= billed <= settled + kept, (vendor.name, kinds, usd_of(settled), paid_for, usd_of(kept))
    assert len(records) == len(pictures)
    unknown = len([state for state, _, _ in charges if state == "unknown"])
    per_call = request.count if vendor.name != "flux" else 1
    stored_calls = len(pictures) / per_call
    assert stored_calls == int(stored_calls)
    known = [spent for state, _, spent in charges if state == "settled" and spent]
    lost = max(0, len(vendor.proxy.billed) - len(known) - unknown)
    double = max(0, int(stored_calls) - len(vendor.proxy.billed))
    assert (lost, double) == (0, 0)
    if vendor.name == "flux":  # a task whose picture cannot be had is billed and settled, and told as that
        assert stored_calls <= len(known)
    else:
        assert stored_calls == len(known)
    for kind in dict.fromkeys(kinds or ["none"]):
        count = tally(f"random: {kind}")
        count.tried += 1
        count.billed += len(vendor.proxy.billed)
        count.stored += int(stored_calls)
        count.unknown += unknown
        count.lost += lost
        count.double += double


@pytest.mark.anyio
async def test_whatever_breaks_the_books_are_true(
    request: pytest.FixtureRequest, vendors: list[Vendor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "random", Quick())
    monkeypatch.setattr(flux_vendor, "POLL_EVERY", 0.01)
    runs, given = int(str(request.config.getoption("--fault-runs"))), request.config.getoption("--fault-seed")
    first = random.randrange(10**6) if given is None else int(str(given))
    sys.stdout.write(f"fault seeds {first} to {first + runs - 1}\n")
    for seed in range(first, first + runs):
        folder = tmp_path / str(seed)
        try:
            await one_run(seed, vendors, folder)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        shutil.rmtree(folder, ignore_errors=True)
