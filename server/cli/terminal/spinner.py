"""The progress of a call on stderr: a spinner with the elapsed time in a terminal, else a line per message."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from atelier.providers.core.types import Progress
from atelier.providers.pricing.budget import Confirm
from atelier.server.mcp.progress import progress

LINE_INTERVAL = 10.0  # seconds between the lines where stderr is no terminal
STORED = re.compile(r"(\d+ of \d+) images are stored\.")
"""How the pipeline says how many images of a call are stored."""


class Spinner:
    """Shows the latest message and how many of several images are stored."""

    def __init__(self, count: int) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._stored = f"0 of {count}" if count > 1 else ""
        self._task = self._bar.add_task(self._text("Preparing."), total=None)

    async def show(self, message: str) -> None:
        """Take a message of the call."""
        if found := STORED.fullmatch(message):
            self._stored = found[1]
            return
        self._bar.update(self._task, description=self._text(message))

    async def ask(self, question: str) -> bool:
        """Ask the person at the terminal; the spinner waits."""
        self._bar.stop()
        agreed = await _ask(question)
        self._bar.start()
        return agreed

    def _text(self, message: str) -> str:
        return f"{self._stored}  {message}" if self._stored else message

    def __enter__(self) -> Spinner:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


@asynccontextmanager
async def shown_progress(count: int) -> AsyncGenerator[tuple[Progress, Confirm | None]]:
    """Yield the progress callback of a call for `count` images, and a function that asks the person, if any."""
    if not sys.stderr.isatty():
        async with progress(_line, interval=LINE_INTERVAL) as on_progress:
            yield on_progress, None
        return
    with Spinner(count) as spinner:
        yield spinner.show, spinner.ask if sys.stdin.isatty() else None


def asker() -> Confirm | None:
    """Return the function that asks the person at the terminal; None where there is none."""
    return _ask if sys.stdin.isatty() and sys.stderr.isatty() else None


async def _ask(question: str) -> bool:
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return (await anyio.to_thread.run_sync(sys.stdin.readline)).strip().lower() in ("y", "yes")


async def _line(message: str, seconds: float) -> None:
    sys.stderr.write(f"… {message} ({seconds:.0f} s)\n")
    sys.stderr.flush()
