"""The progress of a call or a batch on stderr: a spinner with the elapsed time, or a bar with count and cost.

Where stderr is no terminal, a call prints a line per message, and a batch has no bar. A batch also prints a row for
each of its lines as it ends.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anyio

from atelier.providers.core.concurrency import progress
from atelier.providers.core.errors import ImageError, sanitize
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import Progress
from atelier.providers.pricing.budget import Confirm
from atelier.providers.pricing.price_parts import usd
from atelier.server.cli.terminal.messages import for_person
from atelier.server.cli.terminal.output import say, say_json

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


PROMPT_CHARACTERS = 40


class BatchTable:
    """Prints the rows to stdout, as JSON objects with `as_json`, and the bar to stderr."""

    def __init__(self, lines: int, *, as_json: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._as_json, self._spent = as_json, Decimal(0)
        console = Console(stderr=True)
        columns = (SpinnerColumn(), BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._bar = Progress(
            *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task("", total=lines)

    def made(
        self, number: int, prompt: str, result: ImageResult, files: Sequence[str], facts: Mapping[str, Any]
    ) -> None:
        """Print the row of a line whose images are made."""
        self._spent += result.actual_usd or Decimal(0)
        stored = [image.stored.path or image.stored.url or image.stored.id for image in result.images if image.stored]
        cost = "?" if result.actual_usd is None else usd(result.actual_usd)
        places = list(files) or stored
        self._row({"line": number, **facts}, [_row(number, cost, place, prompt) for place in places])

    def failed(self, number: int, prompt: str, error: ImageError) -> None:
        """Print the row of a line that failed."""
        message = for_person(f"{error.message} {error.hint}".strip())
        facts = {"line": number, "status": "failed", "reason": error.reason.value, "message": message}
        self._row(facts, [_row(number, "failed", message, prompt)])

    def _row(self, facts: Mapping[str, Any], rows: Sequence[str]) -> None:
        self._bar.stop()
        if self._as_json:
            say_json(facts, pretty=False)
        else:
            say("\n".join(rows))
        self._bar.update(self._task, advance=1, description=usd(self._spent))
        self._bar.start()

    def __enter__(self) -> BatchTable:
        if not self._as_json:
            say(_row("line", "cost", "file", "prompt"), sys.stderr)
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def _row(number: int | str, cost: str, place: str, prompt: str) -> str:
    return f"{number:>4}  {cost:>8}  {place}  {sanitize(prompt, PROMPT_CHARACTERS)}"
