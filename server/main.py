"""Start here: the `atelier` command.

A server over stdio answers its host before anything heavy is imported; `cli.entry` has the subcommands.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from atelier.server.mcp import early_answers

THREAD_TURN = 0.001  # seconds that a computing thread holds the interpreter while the event loop waits for it


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a subcommand, `serve` when none is named. Exit code 1: refused or failed; 2: wrong usage."""
    sys.setswitchinterval(THREAD_TURN)
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words in ([], ["serve"]) and sys.stdin is not None and not sys.stdin.isatty():
        early_answers.start()
    from atelier.server.cli.entry import run

    run(words)
