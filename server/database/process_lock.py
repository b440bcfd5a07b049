"""Which process runs which job: each holds a lock on a file of its own, and the system lets go of it when it dies."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout


class ProcessLock:
    """This process, as others see it. The lock is taken when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: FileLock | None = None
        self._name = uuid.uuid4().hex

    @property
    def name(self) -> str:
        """Under which its jobs are written. Raises OSError when the folder cannot be written."""
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(self._path(self._name), thread_local=False, mode=0o600)
            lock.acquire()
            self._lock = lock
        return self._name

    def is_dead(self, name: str) -> bool:
        """Whether the process of that name has ended, however it did."""
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
        """Let go; what still runs under this name is an orphan from now on."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
            with suppress(OSError):  # its folder may have gone
                self._path(self._name).unlink()

    def renew(self) -> str:
        """Be another from now on. Returns the name until now, under which nothing runs any more."""
        before = self._name
        self.close()
        self._name = uuid.uuid4().hex
        return before

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"
