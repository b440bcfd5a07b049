"""`atelier config`: where the settings come from, and what is set."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from atelier.server.cli.terminal.output import Column, pairs, say, say_json, table
from atelier.server.settings import Settings, variable_of
from atelier.server.settings.fields import SECRETS
from atelier.server.settings.known_names import KnownNames
from atelier.server.settings.stored_keys import CONFIG, config_file

COLUMNS = (Column("variable"), Column("value", wrapped=True), Column("from"))

PASSWORD = re.compile(r"//[^/@\s]*@")
"""Credentials in an address."""


def config(*, json: bool) -> int:
    """Print where the configuration file is, what is set and where. Keys and other secrets are shown as set only."""
    settings = current_settings()
    file = config_file()
    folders = {"images": settings.pictures, "state": settings.state, "styles": settings.styles}
    found = variables_set(settings)
    if json:
        facts: dict[str, Any] = {"file": str(file), "exists": file.is_file()}
        facts |= {"folders": {name: str(folder) for name, folder in folders.items()}}
        say_json({**facts, "set": [{"variable": n, "value": v, "from": f} for n, v, f in found]})
        return 0
    there = "" if file.is_file() else "  (not there yet)"
    dotenv = [(".env", str(Path.cwd() / ".env"))] if (Path.cwd() / ".env").is_file() and settings.dotenv else []
    places = [("file", f"{file}{there}"), *dotenv, *((name, str(folder)) for name, folder in folders.items())]
    say(pairs(places))
    names = {place: name for name, place in (("the file", str(file)), *dotenv)}  # their paths are in the lines above
    rows = [(name, value, names.get(place_of(origin), place_of(origin))) for name, value, origin in found]
    say(f"\n{table(COLUMNS, rows)}" if rows else "\nNothing is set; every setting has its default.")
    return 0


def variables_set(settings: Settings) -> list[tuple[str, str, str]]:
    """Return each variable that is set, its value (`set` for a secret) and where it is set."""
    plain = [variable_of(field) for field in Settings.model_fields]
    hidden = [name for name in KnownNames((*plain, *SECRETS)).all() if name not in plain]
    found = list[tuple[str, str, str]]()
    for name in (*plain, *dict.fromkeys(hidden)):
        if origin := settings.origin(name):
            is_shown = name in plain or (name.endswith("_URL") and name not in SECRETS)
            value = PASSWORD.sub("//…@", settings.lookup(name) or "") if is_shown else "set"
            found.append((name, value, origin))
    return found


def place_of(origin: str) -> str:
    """Return the place in the words that say where a variable is set: `the environment`, or a file."""
    return origin.partition(" in ")[2] or origin


def with_tilde(path: str) -> str:
    """Return a path with `~` for the person's home folder, as a shell takes it."""
    return path.replace(f"{Path.home()}{os.sep}", f"~{os.sep}", 1)


def current_settings() -> Settings:
    """Return the settings. A configuration file that is not there yet counts as empty."""
    environ = {name: value for name, value in os.environ.items() if name != CONFIG or config_file().exists()}
    return Settings.load(lambda sentence: say(sentence, sys.stderr), environ)
