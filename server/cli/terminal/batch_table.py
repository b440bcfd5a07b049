"""The progress of a batch: a row for each line as it ends, and below them, in a terminal, a bar with count and cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from atelier.providers.core.errors import ImageError, sanitize
from atelier.providers.core.results import ImageResult
from atelier.providers.pricing.price_parts import usd
from atelier.server.cli.output import say, say_json
from atelier.server.cli.terminal.messages import for_person

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
