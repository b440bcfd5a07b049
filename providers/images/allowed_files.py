"""A file in one of some folders, judged by where it really is and read without a gap between judging and opening.

Links are followed first, and what they lead to is judged. Then the folder is opened and walked down from, one name
at a time and following no link any more: whoever swaps a link in after the judging makes the walk fail. Windows has
no such walk, so there the file is opened and the system is asked where the opened file is.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import unicodedata
from pathlib import Path

MOVED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # gone, or something else by now
ONLY_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class OutsideFoldersError(ValueError):
    """There is no such file in any of the folders; nobody is told which of the two it is."""


class AmbiguousNameError(ValueError):
    """The name is that of no file, and several have one that looks the same."""


def read_file(path: Path, folders: tuple[Path, ...], max_bytes: int) -> bytes:
    """Return the bytes of a regular file. Raises OutsideFoldersError, OSError, or ValueError (no file, too large)."""
    handle = _opened(path, folders)
    try:
        told = os.fstat(handle)
        if not stat.S_ISREG(told.st_mode):
            raise ValueError("is no file")
        if told.st_size > max_bytes:
            raise ValueError(f"is larger than {max_bytes / 2**20:g} MB")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(max_bytes + 1)
    finally:
        os.close(handle)
    if len(data) > max_bytes:  # it grew meanwhile
        raise ValueError(f"is larger than {max_bytes / 2**20:g} MB")
    return data


def find_similar_name(path: Path, folders: tuple[Path, ...]) -> Path:
    """Return where the one file is whose path differs by kinds of spaces and Unicode normal form at most.

    Raises OutsideFoldersError when there is none in a folder, AmbiguousNameError when there are several.
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
    """Whether a path leads into a folder, by its words and by the links on its way, be there such a file or not.

    A `..` is taken by its words, and a link out of the folder is not inside: the answer depends on nothing outside.
    """
    try:
        return any(root.joinpath(*names).resolve().is_relative_to(root) for root, names in _inside(path, folders))
    except (OSError, ValueError, RuntimeError):
        return False


def _inside(path: Path, folders: tuple[Path, ...]) -> list[tuple[Path, tuple[str, ...]]]:
    """Each folder that a path begins with, where that really is, and the names of the path below it."""
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
    """The entry of a folder that a name means. Raises OutsideFoldersError for none, AmbiguousNameError for several."""
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
    """A name with one kind of space and its accents joined to their letters."""
    joined = unicodedata.normalize("NFC", os.path.normcase(name))
    return "".join(" " if letter.isspace() else letter for letter in joined)


def _opened(path: Path, folders: tuple[Path, ...]) -> int:
    """A handle on the file, sure to be in a folder."""
    try:
        real = path.resolve(strict=True)
        roots = [root for folder in folders if real.is_relative_to(root := folder.resolve())]
    except (OSError, ValueError, RuntimeError):
        raise OutsideFoldersError from None
    if not roots:
        raise OutsideFoldersError
    parts = real.relative_to(roots[0]).parts
    if not parts:
        raise ValueError("is no file")
    try:
        return _walked(roots[0], parts)
    except OSError as error:
        if error.errno in MOVED:
            raise OutsideFoldersError from None
        raise


if sys.platform != "win32":
    STEP = ONLY_READ | os.O_NOFOLLOW
    PATIENT = os.O_NONBLOCK | os.O_NOCTTY  # a pipe must not make us wait, a terminal not become ours

    def _walked(root: Path, parts: tuple[str, ...]) -> int:
        """Down from a folder, following no link."""
        above = os.open(root, ONLY_READ | os.O_DIRECTORY)
        try:
            for part in parts[:-1]:
                below = os.open(part, STEP | os.O_DIRECTORY, dir_fd=above)
                os.close(above)
                above = below
            return os.open(parts[-1], STEP | PATIENT, dir_fd=above)
        finally:
            os.close(above)

    def _entries(root: Path, parts: tuple[str, ...]) -> list[str]:
        """The names in a folder, following no link on the way down to it."""
        handle = _walked(root, (*parts, "."))
        try:
            return _names(handle)
        finally:
            os.close(handle)

else:

    def _entries(root: Path, parts: tuple[str, ...]) -> list[str]:
        """The names in a folder."""
        return _names(root.joinpath(*parts))

    def _walked(root: Path, parts: tuple[str, ...]) -> int:
        """The file, opened, if that is where it is."""
        handle = os.open(root.joinpath(*parts), ONLY_READ)
        if not _where(handle).is_relative_to(_plain(str(root))):
            os.close(handle)
            raise OutsideFoldersError
        return handle

    def _where(handle: int) -> Path:
        import ctypes
        import msvcrt

        ask = ctypes.WinDLL("kernel32", use_last_error=True).GetFinalPathNameByHandleW
        ask.argtypes = (ctypes.c_void_p, ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32)
        answer = ctypes.create_unicode_buffer(2**15)
        if not ask(msvcrt.get_osfhandle(handle), answer, len(answer), 0):
            raise OSError(ctypes.get_last_error(), "the file's place cannot be told")
        return _plain(answer.value)

    def _plain(path: str) -> Path:
        """Without the prefix of long paths."""
        share = path.startswith("\\\\?\\UNC\\")
        return Path("\\\\" + path[8:] if share else path.removeprefix("\\\\?\\"))
