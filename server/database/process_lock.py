"""Which process runs which job: each process holds a lock on a file of its own, which the system releases when it
ends, however it ends."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout


class ProcessLock:
    """The lock of this process, by whose name other processes see whether it lives. It is taken when first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: FileLock | None = None
        self._name = uuid.uuid4().hex

    @property
    def name(self) -> str:
        """The owner's name in this process's jobs. Raises OSError when the folder cannot be written."""
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(self._path(self._name), thread_local=False, mode=0o600)
            lock.acquire()
            self._lock = lock
        return self._name

    def is_dead(self, name: str) -> bool:
        """Return whether the process of that name has ended."""
        if name == self._name:
            return False
        try:
            with FileLock(self._path(name), thread_local=False, mode=0o600, blocking=False):
                pass
        except Timeout:
            return False
        self._path(name).unlink(missing_ok=True)
        return True

    def close(self) -> None:
        """Release the lock; jobs that still run under this name are orphaned from now on."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
            with suppress(OSError):  # its folder may have been removed
                self._path(self._name).unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
