"""Runs the command line in a pseudo-terminal, as a person does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from atelier.providers.testing.waiting import LONG, until
from tests.conftest import Environ
from tests.server.process import like_a_host

COMMAND = [sys.executable, "-m", "atelier.server"]
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[\]_P].*?(?:\x07|\x1b\\)", re.DOTALL)
"""What a terminal does not show: colours, movements of the cursor, images."""


@dataclass(frozen=True)
class Shown:
    """What a command wrote to the terminal, with its exit code."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        """What a person can read of it in the end."""
        lines = CONTROL.sub("", self.raw.replace("\r\n", "\n")).split("\n")
        return "\n".join(line.rpartition("\r")[2] for line in lines)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def in_terminal(
    environ: Environ,
    *arguments: str,
    columns: int = 80,
    typed: Mapping[str, str] = MappingProxyType({}),
    folder: Path | None = None,
) -> Shown:
    """Run a command with a terminal of so many columns as its input, output and error.

    `typed` is what the terminal shows, and what is typed once it does.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    settings = {"TERM": "xterm-256color"} | like_a_host(environ)
    process = subprocess.Popen(
        [*COMMAND, *arguments], env=settings, cwd=folder, stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    chunks = list[bytes]()

    def read() -> None:
        while True:
            try:
                chunk = os.read(ours, 65_536)
            except OSError:  # Linux's word for the end of a terminal
                return
            if not chunk:
                return
            chunks.append(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for question, answer in typed.items():
            until(lambda question=question: question.encode() in b"".join(chunks))
            os.write(ours, answer.encode())
        code = process.wait(LONG)
        reader.join(LONG)
    finally:
        process.kill()
        os.close(ours)
    return Shown(code, b"".join(chunks).decode())
