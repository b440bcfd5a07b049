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
from pathlib import Path

MOVED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # gone, or something else by now
ONLY_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class ElsewhereError(ValueError):
    """There is no such file in any of the folders; nobody is told which of the two it is."""


def read_within(path: Path, folders: tuple[Path, ...], most_bytes: int) -> bytes:
    """The bytes of a regular file. Raises ElsewhereError, ValueError for what is no file or too large, and OSError."""
    handle = _opened(path, folders)
    try:
        told = os.fstat(handle)
        if not stat.S_ISREG(told.st_mode):
            raise ValueError("is no file")
        if told.st_size > most_bytes:
            raise ValueError(f"is larger than {most_bytes / 2**20:g} MB")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(most_bytes + 1)
    finally:
        os.close(handle)
    if len(data) > most_bytes:  # it grew meanwhile
        raise ValueError(f"is larger than {most_bytes / 2**20:g} MB")
    return data


def _opened(path: Path, folders: tuple[Path, ...]) -> int:
    """A handle on the file, sure to be in a folder."""
    try:
        real = path.resolve(strict=True)
        roots = [root for folder in folders if real.is_relative_to(root := folder.resolve())]
    except (OSError, ValueError, RuntimeError):
        raise ElsewhereError from None
    if not roots:
        raise ElsewhereError
    parts = real.relative_to(roots[0]).parts
    if not parts:
        raise ValueError("is no file")
    try:
        return _walked(roots[0], parts)
    except OSError as error:
        if error.errno in MOVED:
            raise ElsewhereError from None
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

else:

    def _walked(root: Path, parts: tuple[str, ...]) -> int:
        """The file, opened, if that is where it is."""
        handle = os.open(root.joinpath(*parts), ONLY_READ)
        if not _where(handle).is_relative_to(_plain(str(root))):
            os.close(handle)
            raise ElsewhereError
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
