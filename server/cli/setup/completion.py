"""`atelier completion`: complete commands, options and their choices in a shell."""

from __future__ import annotations

from typing import Literal

from cyclopts.completion.detect import ShellDetectionError

from atelier.server.cli.terminal.output import UsageError, say


def completion(shell: Literal["bash", "zsh", "fish", "powershell"] | None, *, install: bool) -> int:
    """Print the script that completes commands, options and their choices, or install it."""
    from atelier.server.cli.entry import app  # which names this module

    try:
        if install:
            say(f"Installed in {app().install_completion(shell=shell)}. Open a new shell to use it.")
        else:
            say(app().generate_completion(shell=shell))
    except ShellDetectionError:
        raise UsageError("Your shell is not known. Name it: bash, zsh, fish or powershell.") from None
    return 0
