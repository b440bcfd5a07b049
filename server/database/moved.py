"""What goes along when the journal of a running process was moved or removed: the jobs that it is still at.

Their vendor calls may be billed yet, so they are to be in the books where people look. All else stays where it was.
"""

from __future__ import annotations

import sqlite3

from atelier.server.database.engine import Work
from atelier.server.database.process_lock import ProcessLock

STEPS = (
    (
        "SELECT * FROM jobs WHERE state = 'running' AND owner = ?",
        "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    (
        "SELECT charges.* FROM charges JOIN jobs ON jobs.id = job WHERE jobs.state = 'running' AND owner = ?",
        "INSERT OR REPLACE INTO charges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    (
        "SELECT assets.* FROM assets JOIN jobs ON jobs.id = job WHERE state = 'running' AND owner = ?",
        "INSERT OR REPLACE INTO assets VALUES (?, ?, ?)",
    ),
)
"""The rows of the running jobs of an owner, and how they are written elsewhere; see `schema.py`."""


def taken_along(owner: ProcessLock, old: sqlite3.Connection) -> Work[None] | None:
    """The running jobs of a process, to be written into the next file. None when there are none.

    There they are under a new name of their owner: should the old file come back, what it has of the old name is left
    behind, and is taken up like the jobs of a process that died.
    """
    before = owner.renew()
    found = [(old.execute(select, (before,)).fetchall(), insert) for select, insert in STEPS]

    def written(new: sqlite3.Connection) -> None:
        for rows, insert in found:
            new.executemany(insert, rows)
        new.execute("UPDATE jobs SET owner = ? WHERE owner = ?", (owner.name, before))

    return written if any(rows for rows, _ in found) else None
