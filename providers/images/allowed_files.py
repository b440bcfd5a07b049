"""The files that a caller names: parse the path, and read it only if it is inside one of the allowed folders.

A path may be a `file:` URL, or escaped for a shell. There is no race between the check and the opening: symbolic links
are resolved first and the target is checked. Then the target is opened from the folder down, one name at a time and
without following links, so that a link swapped in after the check makes the walk fail. Windows has no such walk; there
the file is opened first, and the system returns the path of the open file.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import unicodedata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from atelier.providers.core.errors import strip_control

PATH = re.compile(r"[/~\\]|file:|[A-Za-z]:[\\/]")
"""The beginning of a path."""

ASSET_IN_TEXT = re.compile(r"(?<![0-9A-Za-z])img_[0-9a-z]{26}(?![0-9a-z])")
QUOTES = ("''", '""', "``", "<>")
MAX_PATH_LENGTH = 150  # characters

MOVED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # the file was removed or replaced after the check
ONLY_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class OutsideFoldersError(ValueError):
    """The path is outside the folders, or there is no such file; the caller must not learn which."""


class AmbiguousNameError(ValueError):
    """No file has exactly this name, and several have one that looks the same."""


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


def read_file(path: Path, folders: tuple[Path, ...], max_bytes: int) -> bytes:
    """Return the bytes of a regular file. Raises OutsideFoldersError, OSError or ValueError (no file, too large)."""
    handle = _open(path, folders)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a file")
        if status.st_size > max_bytes:
            raise ValueError(f"is larger than {max_bytes / 2**20:g} MB")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    finally:
        os.close(handle)
    if len(data) > max_bytes:  # it grew meanwhile
        raise ValueError(f"is larger than {max_bytes / 2**20:g} MB")
    return data


def find_similar_name(path: Path, folders: tuple[Path, ...]) -> Path:
    """Return the path of the file whose name is equal except for kinds of spaces and Unicode normal form.

    Raises OutsideFoldersError if there is none, and AmbiguousNameError if there are several.
    """
    for root, names in _inside(path, folders):
        real = root
        try:
            for name in names:
                real = (real / _entry(name, _entries(root, real.relative_to(root).parts))).resolve()
                if not real.is_relative_to(root):
                    raise OutsideFoldersError
        except (OutsideFoldersError, OSError, RuntimeError):
            continue
        return real
    raise OutsideFoldersError


def is_inside(path: Path, folders: tuple[Path, ...]) -> bool:
    """Whether a path is inside a folder, as written and after links are resolved; the file need not exist.

    `..` is resolved in the text, and a link out of the folder is outside: the result depends on no file outside.
    """
    try:
        return any(root.joinpath(*names).resolve().is_relative_to(root) for root, names in _inside(path, folders))
    except (OSError, ValueError, RuntimeError):
        return False


def _inside(path: Path, folders: tuple[Path, ...]) -> list[tuple[Path, tuple[str, ...]]]:
    """Return each folder that contains a path as written, resolved, with the names of the path below it."""
    names = Path(os.path.normpath(path)).parts
    found = list[tuple[Path, tuple[str, ...]]]()
    for folder in folders:
        root = folder.resolve()
        for above in (folder.parts, root.parts):
            if [_plain_name(name) for name in above] == [_plain_name(name) for name in names[: len(above)]]:
                found.append((root, names[len(above) :]))
                break
    return found


def _entry(name: str, entries: list[str]) -> str:
    """Return the entry that matches a name. Raises OutsideFoldersError for none, AmbiguousNameError for several."""
    if name in entries:
        return name
    near = [entry for entry in entries if _plain_name(entry) == _plain_name(name)]
    if len(near) > 1:
        raise AmbiguousNameError
    if not near:
        raise OutsideFoldersError
    return near[0]


def _names(folder: int | Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _plain_name(name: str) -> str:
    """Return a name in Unicode NFC with plain spaces, for comparison."""
    normalized = unicodedata.normalize("NFC", os.path.normcase(name))
    return "".join(" " if letter.isspace() else letter for letter in normalized)


def _open(path: Path, folders: tuple[Path, ...]) -> int:
    """Open a file that is certainly inside a folder, and return its handle."""
    try:
        real = path.resolve(strict=True)
        roots = [root for folder in folders if real.is_relative_to(root := folder.resolve())]
    except (OSError, ValueError, RuntimeError):
        raise OutsideFoldersError from None
    if not roots:
        raise OutsideFoldersError
    parts = real.relative_to(roots[0]).parts
    if not parts:
        raise ValueError("is not a file")
    try:
        return _open_below(roots[0], parts)
    except OSError as error:
        if error.errno in MOVED:
            raise OutsideFoldersError from None
        raise


if sys.platform != "win32":
    STEP = ONLY_READ | os.O_NOFOLLOW
    NO_WAIT = os.O_NONBLOCK | os.O_NOCTTY  # a pipe must not block, nor a terminal become the controlling one

    def _open_below(root: Path, parts: tuple[str, ...]) -> int:
        """Open a file below a folder without following links, and return its handle."""
        above = os.open(root, ONLY_READ | os.O_DIRECTORY)
        try:
            for part in parts[:-1]:
                below = os.open(part, STEP | os.O_DIRECTORY, dir_fd=above)
                os.close(above)
                above = below
            return os.open(parts[-1], STEP | NO_WAIT, dir_fd=above)
        finally:
            os.close(above)

    def _entries(root: Path, parts: tuple[str, ...]) -> list[str]:
        """Return the names in a folder, opened without following links."""
        handle = _open_below(root, (*parts, "."))
        try:
            return _names(handle)
        finally:
            os.close(handle)

else:

    def _entries(root: Path, parts: tuple[str, ...]) -> list[str]:
        """Return the names in a folder."""
        return _names(root.joinpath(*parts))

    def _open_below(root: Path, parts: tuple[str, ...]) -> int:
        """Open a file, check that it is below the folder, and return its handle."""
        handle = os.open(root.joinpath(*parts), ONLY_READ)
        if not _path_of(handle).is_relative_to(_plain(str(root))):
            os.close(handle)
            raise OutsideFoldersError
        return handle

    def _path_of(handle: int) -> Path:
        import ctypes
        import msvcrt

        get_path = ctypes.WinDLL("kernel32", use_last_error=True).GetFinalPathNameByHandleW
        get_path.argtypes = (ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32)
        buffer = ctypes.create_unicode_buffer(2**15)
        if not get_path(msvcrt.get_osfhandle(handle), buffer, len(buffer), 0):
            raise OSError(ctypes.get_last_error(), "the path of the open file is unknown")
        return _plain(buffer.value)

    def _plain(path: str) -> Path:
        """Remove the prefix of long paths."""
        share = path.startswith("\\\\?\\UNC\\")
        return Path("\\\\" + path[8:] if share else path.removeprefix("\\\\?\\"))
