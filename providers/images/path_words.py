"""The paths that somebody's words may mean: as they stand, as a `file:` address, and as written for a shell."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from atelier.providers.core.errors import strip_control

PATH = re.compile(r"[/~\\]|file:|[A-Za-z]:[\\/]")
"""How a path begins."""

MAX_PATH_LENGTH = 150  # characters


def strip_quotes(text: str) -> str:
    """Words without the quotes that stand around all of them."""
    return text[1:-1].strip() if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"" else text


def candidate_paths(text: str) -> list[Path]:
    """The paths that some words may mean, the likeliest first.

    `\\ ` for a space is how a shell wants it; on Windows a backslash stands between folders.
    """
    if sys.platform == "win32" or "\\" not in text:
        return [_path(text)]
    return [_path(text), _path(re.sub(r"'\\''|\\(.)", lambda found: found[1] or "'", text))]


def display_path(path: str) -> str:
    """A path for a message: its end, without control characters."""
    path = strip_control(path)
    return path if len(path) <= MAX_PATH_LENGTH else f"…{path[1 - MAX_PATH_LENGTH :]}"


def _path(text: str) -> Path:
    """One of nobody's home leads nowhere."""
    try:
        return Path(url2pathname(urlsplit(text).path)) if text.startswith("file:") else Path(text).expanduser()
    except (ValueError, RuntimeError):
        return Path("\0")
