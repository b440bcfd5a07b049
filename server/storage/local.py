"""Pictures in a folder: `{yyyy}/{mm}/{id}.{ext}`, with its record `{id}.json` and its `{id}.preview.jpg`.

Files appear under their names only when they are whole, readable by their owner alone, and nothing is overwritten.
When the folder cannot be written, `rescue` takes the picture: a paid one must not be lost to a full disk.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.sources import Asset
from atelier.providers.core.types import Picture, Stored

EXTENSIONS = {"jpeg": "jpg"}  # every other format is its own extension


class LocalStorage:
    """The default storage. `folder` and `rescue` are absolute; both are made when first needed."""

    def __init__(self, folder: Path, rescue: Path) -> None:
        self._folder = folder
        self._rescue = rescue

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> Stored:
        """Keep a picture and its record. Raises storage_failed when neither folder takes them."""
        return await anyio.to_thread.run_sync(self._put, id, picture, record)

    async def put_preview(self, stored: Stored, jpeg: bytes) -> str | None:
        """Keep a preview beside its picture and return its path; None when it cannot be written."""
        return await anyio.to_thread.run_sync(self._put_preview, stored, jpeg)

    async def get_preview(self, stored: Stored) -> bytes | None:
        """The preview that is kept beside a picture; None when there is none yet."""
        return await anyio.to_thread.run_sync(self._get_preview, stored)

    async def get(self, id: str) -> Asset | None:
        """The picture of that id, wherever it was kept."""
        return await anyio.to_thread.run_sync(self._get, id)

    async def newest(self) -> Asset | None:
        """The picture that was kept last; ids sort by time."""
        return await anyio.to_thread.run_sync(self._newest)

    def _get(self, id: str) -> Asset | None:
        records = [path for root in (self._folder, self._rescue) for path in root.glob(f"[0-9]*/[0-9]*/{id}.json")]
        return next((asset for path in records if (asset := _asset(path))), None)

    def _newest(self) -> Asset | None:
        roots = (self._folder, self._rescue)
        months = sorted((m for root in roots for m in root.glob("[0-9]*/[0-9]*")), key=lambda m: m.parts[-2:])
        for month in reversed(months):
            for record in sorted(month.glob("img_*.json"), reverse=True):
                if asset := _asset(record):
                    return asset
        return None

    def _put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> Stored:
        try:
            return Stored(id=id, path=str(self._write(self._folder, id, picture, record)))
        except OSError as error:
            why = error.strerror or type(error).__name__
        trouble, hint = f"{self._folder} could not be written ({why})", "Free some space or set ATELIER_OUTPUT_DIR."
        try:
            path = self._write(self._rescue, id, picture, record)
        except OSError:
            raise ImageError(Reason.STORAGE_FAILED, f"{trouble}, nor could {self._rescue}.", hint=hint) from None
        return Stored(id=id, path=str(path), warning=f"{trouble}, so the picture is in {path.parent}. {hint}")

    def _write(self, root: Path, id: str, picture: Picture, record: Mapping[str, Any]) -> Path:
        year, month = str(record["created_at"])[:7].split("-")
        folder = root / year / month
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{id}.{EXTENSIONS.get(picture.format, picture.format)}"
        beside = json.dumps({**record, "file": path.name}, ensure_ascii=False, indent=2).encode()
        sidecar = path.with_suffix(".json")
        _appear(sidecar, beside)  # first the record, so that no picture is ever without one
        try:
            _appear(path, picture.image_bytes)
        except OSError:
            sidecar.unlink(missing_ok=True)
            raise
        return path

    def _get_preview(self, stored: Stored) -> bytes | None:
        if stored.path is None:
            return None
        try:
            return Path(stored.path).with_suffix(".preview.jpg").read_bytes() or None
        except OSError:
            return None

    def _put_preview(self, stored: Stored, jpeg: bytes) -> str | None:
        if stored.path is None:
            return None
        path = Path(stored.path).with_suffix(".preview.jpg")
        try:
            if not path.exists():  # made once, kept from then on
                _appear(path, jpeg)
        except OSError:
            return None
        return str(path)


def _asset(record: Path) -> Asset | None:
    """The picture beside a record; None when either has gone or is not ours."""
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        return Asset(told["id"], (record.parent / Path(told["file"]).name).read_bytes(), told)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _appear(path: Path, data: bytes) -> None:
    """Write a file so that its name shows up only once all of it is on the disk."""
    part = path.with_name(f".{path.name}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
