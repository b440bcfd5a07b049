"""Print lines, JSON and tables, and the errors of wrong usage and of a closed stream."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, TextIO

from atelier.server.cli.terminal.style import bold

GAP = 2  # spaces between the columns of a table
COMFORTABLE, MIN_WIDTH = 16, 6  # characters of a flexible column: before spare columns are left out, and after
WRAPPED = 26  # characters of a wrapped column before spare columns are left out, and below which it leaves the row

LONGEST_VENDOR = 20  # characters of a vendor's name; a longer word of `atelier keys` may be a key, and is not quoted
KEY_IS_ASKED_FOR = (
    "A key is no word of the command line, where other programs can read it. "
    "`atelier keys set openai` asks for the key, or reads it from standard input."
)


class UsageError(Exception):
    """The options do not go together; the message says why."""


class UnwritableStreamError(OSError):
    """A stream cannot be written; `strerror` names it and the reason."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    In a terminal that is too narrow, `spare` columns are left out, `flexible` ones shortened, and a `wrapped` one,
    which is not the first, continues on further lines: in its column where WRAPPED characters are left for it, else
    below the row.

    Of several spare columns the last is left out first, and one without a value always.
    """

    head: str
    right: bool = False
    flexible: bool = False
    spare: bool = False
    wrapped: bool = False

    def wanted(self, width: int) -> int:
        """Return the characters that the column keeps before spare columns are left out."""
        return min(width, COMFORTABLE if self.flexible else WRAPPED if self.wrapped else width)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line and flush it, to stdout by default.

    Raises UnwritableStreamError, and BrokenPipeError when the reader has closed the pipe.
    """
    out = stream or sys.stdout
    if not out:  # closed before the process began
        raise UnwritableStreamError(errno.EBADF, f"stdout cannot be written ({os.strerror(errno.EBADF)})")
    try:
        print(text, file=out, flush=True)
    except OSError as error:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), out.fileno()
        )  # or the interpreter fails again when it flushes at exit
        if isinstance(error, BrokenPipeError):
            raise
        name = "stderr" if out is sys.stderr else "stdout"
        raise UnwritableStreamError(error.errno, f"{name} cannot be written ({error.strerror})") from None


def say_json(facts: Any, *, pretty: bool = True) -> None:
    """Print JSON: indented in a terminal if it is `pretty`, else one line."""
    is_terminal = sys.stdout and sys.stdout.isatty()
    say(json.dumps(facts, ensure_ascii=False, indent=2 if pretty and is_terminal else None))


def terminal_width() -> int | None:
    """Return the columns of the terminal that stdout is; None for a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Return aligned columns below their heads that fit in `width`, or in the terminal; else as wide as they are."""
    from rich.cells import cell_len, set_cell_size

    limit = width or terminal_width()
    lines = [[column.head for column in columns], *rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    empty = {number for number, column in enumerate(columns) if column.spare and not any(row[number] for row in rows)}
    shown, below = [number for number in range(len(columns)) if number not in empty], list[int]()
    if limit:
        wanted = [column.wanted(width) for column, width in zip(columns, widths, strict=True)]
        required = [number for number in shown if not columns[number].spare]
        if sum(wanted[n] + GAP for n in required) - GAP > limit:
            below = [number for number in required if columns[number].wrapped]
            shown = [number for number in shown if number not in below]
        spare = [number for number in shown if columns[number].spare]
        while spare and sum(wanted[n] + GAP for n in shown) - GAP > limit:
            shown.remove(spare.pop())
        for number in (n for n in reversed(shown) if columns[n].flexible or columns[n].wrapped):
            excess = sum(widths[n] + GAP for n in shown) - GAP - limit
            widths[number] = max(min(widths[number], MIN_WIDTH), widths[number] - max(0, excess))
        for number in below:
            widths[number] = max(MIN_WIDTH, limit - widths[0] - GAP)

    def cell(text: str, number: int) -> str:
        room = widths[number]
        if cell_len(text) > room:
            return f"{set_cell_size(text, room - 1).rstrip()}…".ljust(room)
        space = " " * (room - cell_len(text))
        return f"{space}{text}" if columns[number].right else f"{text}{space}"

    def row(line: Sequence[str]) -> str:
        parts = {n: wrap(line[n], widths[n]) if columns[n].wrapped else [line[n]] for n in (*shown, *below)}
        height = max(len(parts[n]) for n in shown)
        cells = [[cell("".join(parts[n][at : at + 1]), n) for n in shown] for at in range(height)]
        under = [" " * (widths[0] + GAP) + part for n in below for part in parts[n]]
        return "\n".join([*((" " * GAP).join(each).rstrip() for each in cells), *under])

    text = [row(line) for line in lines]
    return "\n".join([bold(text[0]), *text[1:]])


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Return names and their values in two columns."""
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)
