"""What the command line says, and where."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection, Sequence
from typing import TextIO

CLEAR = "\r\033[K"  # back to the start of a terminal's line, and empty it


class UntoldError(OSError):
    """A stream that cannot be written; `strerror` says which, and why."""


def say(text: str, stream: TextIO | None = None) -> None:
    """A line for the person, at once; on stdout unless another stream is named.

    Raises UntoldError, and BrokenPipeError when nobody listens any more.
    """
    out = stream or sys.stdout
    if not out:  # it was closed before the process began
        raise UntoldError(errno.EBADF, f"stdout cannot be written ({os.strerror(errno.EBADF)})")
    try:
        print(text, file=out, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # or the interpreter would stumble over it again
        if isinstance(error, BrokenPipeError):
            raise
        name = "stderr" if out is sys.stderr else "stdout"
        raise UntoldError(error.errno, f"{name} cannot be written ({error.strerror})") from None


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
