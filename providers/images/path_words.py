"""Parse the path of a source: as written, as a `file:` URL, and as escaped for a shell."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from atelier.providers.core.errors import strip_control

PATH = re.compile(r"[/~\\]|file:|[A-Za-z]:[\\/]")
"""The beginning of a path."""

ASSET_IN_TEXT = re.compile(r"(?<![0-9A-Za-z])img_[0-9a-z]{26}(?![0-9a-z])")
QUOTES = ("''", '""', "``", "<>")
MAX_PATH_LENGTH = 150  # characters


def strip_quotes(text: str) -> str:
    """Remove quotes, backticks or angle brackets around the whole text, and the `@` of a file that a chat mentions."""
    text = text.removeprefix("@")
    return text[1:-1].strip() if len(text) > 2 and text[0] + text[-1] in QUOTES else text


def asset_in(text: str) -> str | None:
    """Return the asset id in a text, such as the name of its file; None if there is none, or more than one."""
    ids = set(ASSET_IN_TEXT.findall(text))
    return ids.pop() if len(ids) == 1 else None


def candidate_paths(text: str) -> list[Path]:
    """Return the paths that a text may mean, the likeliest first.

    A shell needs `\\ ` for a space; on Windows a backslash separates folders.
    """
    if sys.platform == "win32" or "\\" not in text:
        return [_path(text)]
    return [_path(text), _path(re.sub(r"'\\''|\\(.)", lambda found: found[1] or "'", text))]


def display_path(path: str) -> str:
    """Return the end of a path without control characters, for messages."""
    path = strip_control(path)
    return path if len(path) <= MAX_PATH_LENGTH else f"…{path[1 - MAX_PATH_LENGTH :]}"


def _path(text: str) -> Path:
    """Return the path of a text; a path that cannot exist if it names an unknown user's home."""
    try:
        return Path(url2pathname(urlsplit(text).path)) if text.startswith("file:") else Path(text).expanduser()
    except (ValueError, RuntimeError):
        return Path("\0")
