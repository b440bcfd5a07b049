"""Parses the command line and runs a command.

The parser is cyclopts rather than Typer. Both were tried on `generate`: cyclopts takes several values after one option
(`--images a.png b.png`), imports a command's module when it is used, and writes completion scripts that do not start
Atelier; Typer does none of these.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console

from atelier.providers.core.errors import ImageError
from atelier.server.cli.commands import COMMANDS, DESCRIPTION
from atelier.server.cli.options import STDIN
from atelier.server.cli.output import UnwritableStreamError, UsageError
from atelier.server.cli.terminal_messages import for_person
from atelier.server.observability.logs import log
from atelier.server.shutdown import EndedError

REFUSED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
"""Exit codes; 0 is done."""


def run(arguments: Sequence[str]) -> None:
    """Run a command and exit with its code; see `server.main`."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(encoding="utf-8", errors="replace")  # a Windows console may use a narrower encoding
    log.addHandler(logging.NullHandler())  # commands print sentences; only `serve` writes log lines
    sys.exit(_exit_code(arguments))


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        outcome = app()(_words(arguments), exit_on_error=False, print_error=False, result_action="return_value")
        return outcome if isinstance(outcome, int) else 0
    except (CycloptsError, UsageError) as error:
        sys.stderr.write(f"atelier: {' '.join(str(error).split())}\n")
        return WRONG_USAGE
    except ImageError as error:
        sys.stderr.write(f"atelier: {for_person(f'{error.message} {error.hint}'.strip())}\n")
    except UnwritableStreamError as unwritable:
        sys.stderr.write(f"atelier: {unwritable.strerror}.\n")
    except EndedError as signalled:
        return signalled.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output closed it, as `| head` does
        pass
    return REFUSED


def app() -> App:
    """Return the parser with every command; their modules are imported when they are used."""
    found = App(
        name="atelier",
        help=DESCRIPTION,
        version=f"atelier {version('atelier-mcp')}",
        help_format="plaintext",
        default_parameter=Parameter(negative=(), show_default=False),
        suppress_keyboard_interrupt=False,
        error_console=Console(stderr=True),
    )
    groups = {command.group: Group(command.group, sort_key=place) for place, command in enumerate(COMMANDS)}
    for command in COMMANDS:
        found.command(
            command.import_path,
            name=command.name,
            help=f"{command.summary[0].upper()}{command.summary[1:]}.",
            group=groups[command.group],
            synonym=command.synonyms,
            help_epilogue=command.epilogue,
        )
    return found


def _words(arguments: Sequence[str]) -> list[str]:
    """Return the words for the parser: `serve` is the default command, and its options may come before it.

    A lone `-` is no option.
    """
    words = [STDIN if word == "-" else word for word in arguments]
    if words and (not words[0].startswith("-") or words[0] in ("--help", "-h", "--version")):
        return words
    return ["serve", *(word for word in words if word != "serve")]
