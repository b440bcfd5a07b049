"""Parses the command line and runs a command.

The parser is cyclopts rather than Typer. Both were tried on `generate`: cyclopts takes several values after one option
(`--images a.png b.png`), imports a command's module when it is used, and writes completion scripts that do not start
Atelier; Typer does none of these.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Sequence
from typing import Any, cast

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)
from rich.console import Console

from atelier.server.cli.commands import COMMANDS, DESCRIPTION
from atelier.server.cli.terminal.messages import errors_to_exit_codes
from atelier.server.cli.terminal.output import KEY_IS_ASKED_FOR, LONGEST_VENDOR, UsageError
from atelier.server.cli.terminal.shared_options import STDIN

READ_FROM_STDIN = ("prompt", "batch")
"""The arguments for which `-` means standard input."""


def run(arguments: Sequence[str]) -> None:
    """Run a command and exit with its code; see `server.main`."""
    with errors_to_exit_codes():
        sys.exit(_exit_code(arguments))


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        gc.disable()  # while modules are imported: they leave no garbage, and looking for it takes a tenth of the time
        try:
            command, bound, _ = app().parse_args(_words(arguments), exit_on_error=False, print_error=False)
        finally:
            gc.enable()
        for name, value in bound.arguments.items():
            if name not in READ_FROM_STDIN:
                bound.arguments[name] = _with_dash(value)
        outcome = command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        raise UsageError(_message(error)) from None
    return outcome if isinstance(outcome, int) else 0


def _with_dash(value: Any) -> Any:
    """Return the value of an argument with the dash that was typed, alone or in a list."""
    if isinstance(value, tuple):
        return tuple(map(_with_dash, cast("tuple[Any, ...]", value)))
    if isinstance(value, list):
        return list(map(_with_dash, cast("list[Any]", value)))
    return "-" if value == STDIN else value


def _message(error: CycloptsError) -> str:
    """Return the error in words for a person."""
    command, words = (error.command_chain or ("",))[0], str(error).replace(STDIN, "-")
    if command == "keys" and (
        isinstance(error, UnusedCliTokensError) or any(len(word) > LONGEST_VENDOR for word in words.split())
    ):
        return KEY_IS_ASKED_FOR
    if isinstance(error, UnusedCliTokensError):
        prompts = command in ("generate", "edit", "cost")
        hint = "Put a prompt that has spaces in quotes." if prompts else "`atelier --help` lists what there is."
        return f"Unexpected: {' '.join(error.unused_tokens or ()).replace(STDIN, '-')}. {hint}"
    if isinstance(error, CoercionError):  # without the name of a Python type; what is no text here is a number
        return re.sub(r" for (.+?): unable to convert (\".*\") into .*", r" \2 for \1: it must be a number.", words)
    if isinstance(error, MissingArgumentError):
        return _missing(error)
    if isinstance(error, UnknownCommandError):  # the library lists the first few commands, and then three dots
        return f"{words.partition(' Available commands: ')[0]} `atelier --help` lists the commands."
    if isinstance(error, UnknownOptionError) and "Did you mean" not in words:
        return f"{words} `{_called(error)} --help` lists the options."
    return words


def _called(error: CycloptsError) -> str:
    """Return the command that was called."""
    return " ".join(("atelier", *(error.command_chain or ())))


def _missing(error: MissingArgumentError) -> str:
    """Return what to give: the help of the argument without a name, and the command's first example."""
    name = error.keyword or (error.argument.name if error.argument else "a value")
    word = (error.command_chain or ("",))[0]
    if name.startswith("-") or error.argument is None:
        return f"{name} needs a value. `{_called(error)} --help` has examples."
    example = next(command.examples[0] for command in COMMANDS if command.name == word)
    what = (error.argument.parameter.help or "").rstrip(".")
    needed = f"`atelier {word}` needs {name.removesuffix('S')}: {what[:1].lower()}{what[1:]}"
    return f"{needed}. For example: atelier {example}"


def _version() -> str:
    from importlib.metadata import version  # takes 20 ms

    return f"atelier {version('atelier-mcp')}"


def app() -> App:
    """Return the parser with every command; their modules are imported when they are used."""
    found = App(
        name="atelier",
        help=DESCRIPTION,
        version=_version,
        help_format="plaintext",
        default_parameter=Parameter(negative=(), show_default=False),
        suppress_keyboard_interrupt=False,
        group_parameters=Group("Options"),
        error_console=Console(stderr=True),
    )
    groups = {command.group: Group(command.group, sort_key=place) for place, command in enumerate(COMMANDS)}
    for command in COMMANDS:
        found.command(
            command.import_path,
            name=command.name,
            group=groups[command.group],
            usage=f"Usage: atelier {command.name} {command.takes}".rstrip() + " [OPTIONS]",
            synonym=command.synonyms,
            help_epilogue=command.epilogue,
        )
    return found


def _words(arguments: Sequence[str]) -> list[str]:
    """Return the words for the parser: `serve` is the default command, and its options may come before it.

    A lone `-` is no option.
    """
    words = [STDIN if word == "-" else word for word in arguments]
    if words and words[0] == "help":
        return [*words[1:], "--help"]
    if words and (not words[0].startswith("-") or words[0] in ("--help", "-h", "--version")):
        return words
    return ["serve", *(word for word in words if word != "serve")]
