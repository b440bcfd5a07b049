"""The signatures of the commands that set up."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from atelier.server.cli.setup.hosts import HOSTS
from atelier.server.cli.terminal.shared_options import Json


def init(
    host: Annotated[
        str | None, Parameter(choices=[each.name for each in HOSTS], help="The program; without it they are listed.")
    ] = None,
    /,
    *,
    write: Annotated[
        bool, Parameter(help="Write the block into the program's file, after a copy of that was made.")
    ] = False,
    json: Json = False,
) -> int:
    """Print what a chat program or agent needs to start Atelier, or write it into its file (--write).

    Other entries and comments of the file stay. In a terminal you are asked for a vendor's key, if none is set.
    """
    from atelier.server.cli.setup.init import init as run

    return run(host, write=write, json=json)


def doctor(*, json: Json = False) -> int:
    """Check settings, folders, storage, database, keys, network, clock and hosts. Exit code 1 when something failed.

    A vendor's key is checked by a call that costs nothing. No image is made, and no key is printed.
    """
    from atelier.server.cli.setup.doctor import doctor as run

    return run(json=json)


def keys(
    action: Annotated[Literal["list", "set", "rm"], Parameter(help="What to do; list by default.")] = "list",
    vendor: Annotated[str | None, Parameter(help="The vendor, such as openai.")] = None,
    /,
    *,
    file: Annotated[
        bool, Parameter(help="With set: store it in the configuration file, also where there is a keyring.")
    ] = False,
    json: Json = False,
) -> int:
    """List which vendors have a key, store a key for the next start, or remove it.

    A key is asked for, or read from standard input, and never printed. It is
    kept in the system's keyring (with the extra `keyring`), else in the
    configuration file, which only you can read.
    """
    from atelier.server.cli.setup.keys import keys as run

    return run(action, vendor, file=file, json=json)


def config(*, json: Json = False) -> int:
    """Print where the configuration file is, what is set and where. Keys and other secrets are shown as set only."""
    from atelier.server.cli.setup.config import config as run

    return run(json=json)


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"] | None, Parameter(help="The shell; yours by default.")
    ] = None,
    /,
    *,
    install: Annotated[bool, Parameter(help="Store it where your shell reads it, and load it at its start.")] = False,
) -> int:
    """Print the script that completes commands, options and their choices, or install it."""
    from atelier.server.cli.setup.completion import completion as run

    return run(shell, install=install)
