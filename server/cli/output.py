"""Print lines, tables and progress in a terminal."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection, Sequence
from typing import TextIO

CLEAR = "\r\033[K"  # clear the terminal's line


class UnwritableStreamError(OSError):
    """A stream cannot be written; `strerror` names it and the reason."""


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


def table(lines: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return aligned columns: those of `left` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = [str.ljust if number in left else str.rjust for number in range(len(widths))]
    return "\n".join(
        "  ".join(side(word, width) for side, word, width in zip(sides, line, widths, strict=True)).rstrip()
        for line in lines
    )


async def progress_line(message: str, seconds: float) -> None:
    """Show progress: in place in a terminal, else one line per message."""
    text = f"… {message} ({seconds:.0f} s)"
    sys.stderr.write(f"{CLEAR}{text}" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()
