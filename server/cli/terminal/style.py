"""Emphasis where stdout is a terminal. Imports the standard library alone."""

from __future__ import annotations

import os
import sys


def bold(text: str) -> str:
    """Return a text in bold, if stdout is a terminal and the person has not turned styles off (NO_COLOR)."""
    plain = not sys.stdout or not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else f"\033[1m{text}\033[0m"
