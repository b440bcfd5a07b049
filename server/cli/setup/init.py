"""`atelier init`: set up a chat program or agent to start Atelier, and ask for a key once."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from atelier.providers.core.environment import key_variable, read_text
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.vendors.contract import Provider
from atelier.server.cli.setup.config import current_settings, with_tilde
from atelier.server.cli.setup.host_files import (
    NAME,
    Table,
    UnchangedError,
    as_list,
    as_table,
    block,
    parsed,
    with_entry,
)
from atelier.server.cli.setup.hosts import HOSTS, Host, start_command
from atelier.server.cli.setup.keys import read_key
from atelier.server.cli.terminal.output import Column, UsageError, say, say_json, table
from atelier.server.composition import catalog_of
from atelier.server.settings import Settings
from atelier.server.settings.stored_keys import CONFIG, store_key, write_private

COLUMNS = (Column("host"), Column("installed"), Column("set up"), Column("file", wrapped=True))
VARIABLES = ("env", "environment", "envs")  # what hosts call the variables of an entry
COMMON = 4  # vendors that the question names: the first in the order in which a default is looked for


def init(host: str | None, *, write: bool, json: bool) -> int:
    """Print what a chat program or agent needs to start Atelier, or write it into its file (--write)."""
    if host is None:
        if write:
            raise UsageError("Name the program to write for, such as: atelier init claude-desktop --write")
        _list(as_json=json)
        return 0
    (chosen,) = [each for each in HOSTS if each.name == host]
    file = chosen.file() if chosen.file else None
    if write and file is None:
        raise UsageError(f"{chosen.title} cannot be set up from here. {chosen.note}")
    settings = current_settings()
    if sys.stdin.isatty() and not json:
        _ask_for_key(settings)
    command, environ = start_command(), _variables()
    entry = chosen.entry(command, environ)
    if not write or file is None:
        text = block(chosen.format, chosen.place, entry)
        if json:
            say_json({"host": chosen.name, "file": file and str(file), "command": command, "block": text})
        else:
            say(f"{chosen.title}: put this into {file}\n" if file else f"{chosen.title}:\n", sys.stderr)
            say(text)
            rest = f"{chosen.note} `atelier init {host} --write` writes it.".strip() if file else chosen.note
            say(f"\n{rest}", sys.stderr)
        return 0
    backup = write_entry(chosen, file)
    if json:
        say_json({"host": chosen.name, "file": str(file), "backup": backup and str(backup), "command": command})
    else:
        say(f"{chosen.title} will start Atelier: {file}" + (f" (the file as it was: {backup.name})" if backup else ""))
        say(chosen.note or "Restart it, then ask for an image.", sys.stderr)
    return 0


def write_entry(host: Host, file: Path) -> Path | None:
    """Write our entry into a host's file, and return the copy of the file as it was, if there was one."""
    before = read_text(file, f"The file {file}") if file.is_file() else ""
    try:
        found = parsed(before, host.format)
        place = host.place_in(found)
        entry = host.entry_at(place, start_command(), _variables())
        after = with_entry(before, host.format, place, _with_variables_of(_entry_in(host, found) or {}, entry))
    except UnchangedError as error:
        message = f"{file} was left as it is: {sanitize(str(error), 200)}."
        hint = f"Add the block yourself: atelier init {host.name}"
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint) from None
    if after.strip() == before.strip():
        return None
    backup = file.with_name(f"{file.name}.{time.time_ns()}.bak") if before else None
    if backup:
        shutil.copy2(file, backup)
    write_private(file.resolve(), after)
    if backup:
        file.resolve().chmod(backup.stat().st_mode & 0o777)
    return backup


def started_by(host: Host) -> list[str] | None:
    """Return the command that a host's file starts as Atelier; None if it has none. Raises UnchangedError."""
    file = host.file() if host.file else None
    if file is None or not file.is_file():
        return None
    try:
        found = parsed(read_text(file, f"The file {file}"), host.format)
    except ImageError as error:
        raise UnchangedError(error.message) from None
    if (entry := _entry_in(host, found)) is None:
        return None
    return [*_words(entry.get("command", entry.get("cmd"))), *_words(entry.get("args"))]


def _entry_in(host: Host, found: Table) -> Table | None:
    """Return our entry in what a host's file has, or None."""
    inner: Table | None = found
    for key in (*host.place_in(found), NAME):
        inner = as_table(inner.get(key)) if inner is not None else None
    return inner


def _with_variables_of(old: Table, entry: Table) -> Table:
    """Return the entry with the variables of the one that it replaces: a person's keys may be among them."""
    kept = {
        name: {**own, **(as_table(entry.get(name)) or {})} for name in VARIABLES if (own := as_table(old.get(name)))
    }
    return {**entry, **kept}


def _words(value: object) -> list[str]:
    """Return a command or its arguments as words; none of a value that is neither."""
    return [value] if isinstance(value, str) else [str(each) for each in as_list(value)]


def _list(*, as_json: bool) -> None:
    facts = list[dict[str, object]]()
    for host in HOSTS:
        try:
            command = started_by(host)
        except UnchangedError:
            command = None
        file = str(host.file()) if host.file else None
        facts.append({"host": host.name, "installed": host.is_installed, "command": command, "file": file})
    if as_json:
        say_json(facts)
        return
    words = {True: "yes", False: "no"}
    rows = [
        (str(each["host"]), words[bool(each["installed"])] if each["file"] else "?", words[bool(each["command"])],
         with_tilde(str(each["file"] or "by hand")))
        for each in facts
    ]  # fmt: skip
    say(table(COLUMNS, rows))
    say("\nSet one up: atelier init HOST --write (without --write the block is printed)")


def _variables() -> dict[str, str]:
    """Return the variables that a host has to set: where the settings are, if that is not the usual place."""
    named = os.environ.get(CONFIG)
    return {CONFIG: str(Path(named).expanduser().absolute())} if named else {}


def _ask_for_key(settings: Settings) -> None:
    """Ask for a vendor's key where none is set. It is stored in the configuration file, which every start reads."""
    keyed = [each for each in catalog_of(settings).providers if each.endpoint.key_variables]
    if any(key_variable(each.endpoint, settings.lookup) for each in keyed):
        return
    provider = _asked_vendor(keyed)
    if provider:
        where = store_key(provider.endpoint.key_variables[0], read_key(provider), in_file=True)
        say(f"The key of {provider.title} is stored in {where}.", sys.stderr)


def _asked_vendor(keyed: Sequence[Provider]) -> Provider | None:
    """Ask until a vendor is named, by its name or the begin of it, or none."""
    common = ", ".join(each.name for each in keyed[:COMMON])
    say(f"No vendor's key is set. Whose do you have: {common}, another?", sys.stderr)
    while True:
        sys.stderr.write("Vendor (? lists all, Enter skips): ")
        sys.stderr.flush()
        word = sys.stdin.readline().strip().lower()
        if not word:
            return None
        found = _named(keyed, word)
        if len(found) == 1:
            return found[0]
        if word == "?":
            say("\n".join(f"  {each.name:<12}{each.title}" for each in keyed), sys.stderr)
        elif found:
            say(f"“{word}” could be {' or '.join(each.name for each in found)}.", sys.stderr)
        else:
            say(f"No vendor is called “{sanitize(word, 40)}”; ? lists all, Enter skips.", sys.stderr)


def _named(keyed: Sequence[Provider], word: str) -> list[Provider]:
    """Return the vendor of that name, else those whose name or title begins with it."""
    exact = [each for each in keyed if word in each.names]
    return exact or [each for each in keyed if any(n.lower().startswith(word) for n in (*each.names, each.title))]
