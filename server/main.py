"""Start here: the `atelier` command.

A server over stdio answers its host before anything heavy is imported; `cli.entry` has the commands.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

THREAD_TURN = 0.001  # seconds that a computing thread holds the interpreter while the event loop waits for it


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, `serve` when none is named. Exit code 1: refused or failed; 2: wrong usage.

    A person at a terminal who names none gets the help.
    """
    sys.setswitchinterval(THREAD_TURN)
    words = sys.argv[1:] if arguments is None else list(arguments)
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    if words in ([], ["serve"]) and sys.stdin is not None and not is_terminal:
        from atelier.server.mcp import early_answers

        early_answers.start()
        gc.disable()  # until `preload`: what an import makes stays, and looking at it takes a tenth of the start
        from atelier.server.cli.serving import serve_stdio
        from atelier.server.cli.terminal.messages import errors_to_exit_codes

        with errors_to_exit_codes():
            sys.exit(serve_stdio())
    elif words == ["--version"]:
        from importlib.metadata import version

        print(f"atelier {version('atelier-mcp')}")  # noqa: T201 - before the module that prints is imported
    elif words in (["--help"], ["-h"], ["help"]) or (not words and is_terminal):
        from atelier.server.cli.commands import overview

        print(overview())  # noqa: T201
    else:
        from atelier.server.cli.entry import run

        run(words)
