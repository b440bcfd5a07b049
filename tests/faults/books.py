"""What is left once all has come to rest, held against what the emulators would bill."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atelier.providers.testing.server import Bill
from tests.conftest import files_in
from tests.faults.tally import Line, count
from tests.faults.world import micro


@dataclass(frozen=True, slots=True)
class Reservation:
    """A vendor call in the ledger. Money in micro-USD."""

    id: str
    job: str
    pictures: int
    reserved: int
    spent: int | None
    state: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job in the journal."""

    id: str
    state: str
    delivered: bool
    outcome: Mapping[str, Any]


@dataclass(slots=True)
class Books:
    """A state folder, and where its pictures are. `objects` are the records of pictures in a bucket."""

    folder: Path
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    charges: list[Reservation] = field(default_factory=list[Reservation])
    records: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    @classmethod
    def read(cls, folder: Path, objects: Sequence[Mapping[str, Any]] = ()) -> Books:
        """What the journal and the storages hold, looked up without the product."""
        books = cls(folder)
        if (file := folder / "state" / "journal.db").exists():
            with (
                closing(sqlite3.connect(file)) as found,
                suppress(sqlite3.OperationalError),
            ):  # its tables are being made
                for id, state, delivered, outcome in found.execute(
                    "SELECT id, state, delivered_at IS NOT NULL, outcome FROM jobs"
                ):
                    books.jobs[id] = Job(id, state, bool(delivered), json.loads(outcome))
                rows = found.execute(
                    "SELECT id, job_id, image_count, reserved_usd, spent_usd, state FROM vendor_calls ORDER BY id"
                )
                books.charges = [Reservation(*row) for row in rows]
        for place in (folder / "out", folder / "state" / "spool"):
            for path in files_in(place):
                if path.suffix == ".json" and not path.name.startswith("."):
                    with suppress(FileNotFoundError):  # it is being delivered
                        record = json.loads(path.read_bytes())
                        books.records += [record] if path.with_name(record["file"]).exists() else []
        books.records += objects
        return books

    @property
    def job(self) -> Job:
        """The first job."""
        return self.jobs[min(self.jobs)]

    def checked(self, label: str, bills: Sequence[Bill], *, unkept: bool = False) -> Books:
        """Hold every promise against it, and write a line of the table.

        `unkept` when the vendor does not hand out what it made, or no disk took it.
        """
        billed, made = sum(micro(bill.usd) for bill in bills), sum(bill.pictures for bill in bills)
        by_call = Counter(str(record["call"]) for record in self.records)
        live = [charge for charge in self.charges if charge.state != "released"]
        doubtful = [charge for charge in live if charge.state == "unknown"]
        settled = [charge for charge in live if charge.state == "settled"]
        known = sum(charge.reserved if charge.spent is None else charge.spent for charge in settled)
        kept = sum(charge.reserved for charge in doubtful)
        missing = sum(charge.pictures - by_call[charge.id] for charge in settled)
        in_doubt = max(0, made - len(self.records) - missing)
        count(
            label,
            self.folder,
            Line(
                runs=1,
                requests=len(bills),
                billed=billed,
                pictures=made,
                stored=len(self.records),
                doubt=in_doubt,
                unkept=missing if unkept else 0,
                lost=0 if unkept else missing,
                double=max(0, len(bills) - len(live)),
            ),
        )

        told = f"{label}: {self.jobs.values()} {self.charges} {bills}"
        assert {job.state for job in self.jobs.values()} <= {"done", "failed", "unknown", "cancelled"}, told
        assert {charge.state for charge in self.charges} <= {"settled", "released", "unknown"}, told
        assert len(bills) <= len(live), f"paid twice: {told}"
        assert known <= billed <= known + kept, f"{known} <= {billed} <= {known} + {kept}: {told}"
        assert missing == 0 or unkept, f"lost: {told}"
        assert in_doubt <= sum(charge.pictures for charge in doubtful), f"lost in doubt: {told}"
        assert len({record["id"] for record in self.records}) == len(self.records), f"in two places: {told}"
        for charge in self.charges:
            assert by_call[charge.id] <= charge.pictures, f"stored twice: {told}"
        ours = {charge.id for charge in settled}
        assert {str(record["call"]) for record in self.records} <= ours, f"nobody's picture: {told}"
        for job in self.jobs.values():
            has = {str(record["id"]) for record in self.records if record["job"] == job.id}
            assert {image["id"] for image in job.outcome.get("images", [])} == has, f"not told of: {told}"
            doubts = any(charge.job == job.id and charge.state == "unknown" for charge in self.charges)
            assert job.state in (("unknown", "done") if doubts else ("done", "failed", "unknown", "cancelled")), told
            assert not has or job.state == "done", told
        return self
