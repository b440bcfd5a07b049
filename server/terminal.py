"""What the command line says, and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from typing import TextIO

CLEAR = "\r\033[K"  # back to the start of a terminal's line, and empty it


def say(text: str, stream: TextIO | None = None) -> None:
    """A line for the person, at once; on stdout unless another stream is named. Raises OSError."""
    out = stream or sys.stdout
    try:
        print(text, file=out, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # or the interpreter would stumble over it again
        raise


def table(lines: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Aligned columns: those of `left` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = [str.ljust if number in left else str.rjust for number in range(len(widths))]
    return "\n".join(
        "  ".join(side(word, width) for side, word, width in zip(sides, line, widths, strict=True)).rstrip()
        for line in lines
    )


async def progress_line(message: str, seconds: float) -> None:
    """Progress: one line that changes in place in a terminal, one line a word elsewhere."""
    text = f"… {message} ({seconds:.0f} s)"
    sys.stderr.write(f"{CLEAR}{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()
