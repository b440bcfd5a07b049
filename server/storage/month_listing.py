"""The ids in the folder of a month, without reading the folder for every list: it may hold 100,000 images."""

from __future__ import annotations

import os
from bisect import bisect_left, insort
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Self

RECORD_ENDING = ".json"


class MonthListing:
    """The ids in a folder, sorted. The folder is read when first needed, and when another process has changed it.

    A change of the folder changes its time. Changes of this process are made within `changing`, and added here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._ids = list[str]()
        self._changed_at: int | None = None  # the folder's time when `_ids` was true; None when it is to be read
        self._changes = 0

    def before(self, id: str | None, limit: int) -> list[str]:
        """Return the newest `limit` ids, or those before an id; newest first. Raises OSError."""
        with self._lock:
            self._refresh()
            end = len(self._ids) if id is None else bisect_left(self._ids, id)
            return self._ids[max(0, end - limit) : end][::-1]

    def add(self, id: str) -> None:
        """Add an id whose record was written."""
        with self._lock:
            if self._changed_at is not None and id not in self._ids[bisect_left(self._ids, id) :][:1]:
                insort(self._ids, id)

    def discard(self, id: str) -> None:
        """Remove an id whose record was deleted."""
        with self._lock:
            at = bisect_left(self._ids, id)
            if self._ids[at : at + 1] == [id]:
                del self._ids[at]

    @contextmanager
    def changing(self) -> Generator[Self]:
        """Change the folder within the block."""
        with self._lock:
            if not self._changes and self._changed_at != self._time():
                self._changed_at = None
            self._changes += 1
        try:
            yield self
        finally:
            with self._lock:
                self._changes -= 1
                if not self._changes and self._changed_at is not None:
                    self._changed_at = self._time()

    def _refresh(self) -> None:
        """Read the folder if another process has changed it."""
        if self._changed_at is not None and (self._changes or self._changed_at == self._time()):
            return
        self._changed_at = None if self._changes else self._time()
        with os.scandir(self._folder) as entries:
            names = (entry.name for entry in entries)
            self._ids = sorted(name[: -len(RECORD_ENDING)] for name in names if is_record(name))

    def _time(self) -> int | None:
        try:
            return self._folder.stat().st_mtime_ns
        except OSError:
            return None


def is_record(name: str) -> bool:
    """Return whether a file is a record by its name."""
    return name.startswith("img_") and name.endswith(RECORD_ENDING)
