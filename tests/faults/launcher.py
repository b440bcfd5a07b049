"""Serves as `atelier serve` does, and is killed before or after a step of the journal: STEP before|after."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from atelier.server.journal.jobs import SqliteJournal
from atelier.server.main import main


def kill_at(step: str, when: str) -> None:
    """Let the process die at the first time that the journal comes to a step."""
    through: Callable[..., Awaitable[Any]] = getattr(SqliteJournal, step)

    async def killed(self: SqliteJournal, *values: Any) -> Any:
        if when == "after":
            await through(self, *values)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(SqliteJournal, step, killed)


if __name__ == "__main__":
    kill_at(sys.argv[1], sys.argv[2])
    main(["serve"])
