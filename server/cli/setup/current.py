"""The settings as they are before the configuration file that ATELIER_CONFIG names was written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from atelier.server.cli.output import say
from atelier.server.settings import Settings
from atelier.server.settings.stored_keys import CONFIG, config_file


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
