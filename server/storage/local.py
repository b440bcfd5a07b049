"""Pictures in a folder: `{yyyy}/{mm}/{id}.{ext}`, with its record `{id}.json` and its `{id}.preview.jpg`.

Year and month are those of the id. A file gets its name only when it is complete and on the disk; it is readable by its
owner only, and no file is overwritten.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import AssetHandle
from atelier.providers.core.tracing import is_id, time_of, uuid_of
from atelier.providers.core.types import Picture
from atelier.providers.images.asset_storage import Asset
from atelier.server.storage import asset_files
from atelier.server.storage.month_listing import MonthListing

PAGE = 100  # ids that are taken from a listing at once


class LocalStorage:
    """A folder with an absolute path, created by the first put. `variable` is the setting that names it."""

    def __init__(self, folder: Path, variable: str = "ATELIER_OUTPUT_DIR") -> None:
        self.folder = folder
        self.home = str(folder)
        self._variable = variable
        self._listings = dict[Path, MonthListing]()

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """See Storage. A failed put leaves no file."""
        return await anyio.to_thread.run_sync(self._put, id, picture, record)

    async def get(self, id: str) -> Asset | None:
        """Return the picture of that id; None as well when its file was removed."""
        return await anyio.to_thread.run_sync(self._get, id)

    async def head(self, id: str) -> Mapping[str, Any] | None:
        """See Storage."""
        return await anyio.to_thread.run_sync(self._head, id)

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        """See AssetReader."""
        return await anyio.to_thread.run_sync(self._newest, limit, before)

    async def ids(self) -> list[str]:
        """Return the ids of all pictures, oldest first, damaged ones included."""
        return await anyio.to_thread.run_sync(lambda: list(self._newest_ids())[::-1])

    async def delete(self, id: str) -> bool:
        """See Storage. Deletes the record last, so that an interrupted deletion can be repeated."""
        return await anyio.to_thread.run_sync(self._delete, id)

    async def link(self, id: str) -> str | None:
        """Return None: a local file has no URL."""
        return None

    async def where(self, id: str) -> AssetHandle | None:
        """See Storage."""
        record = await self.head(id)
        return AssetHandle(id=id, path=str(self._record(id).with_name(record["file"]))) if record else None

    def located(self, handle: AssetHandle) -> AssetHandle:
        """Return the handle: it names the location already."""
        return handle

    def id_in(self, url: str) -> str | None:
        """Return None: a local file has no URL."""
        return None

    async def put_preview(self, id: str, jpeg: bytes) -> str | None:
        """See Storage."""
        return await anyio.to_thread.run_sync(self._put_preview, id, jpeg)

    async def get_preview(self, id: str) -> bytes | None:
        """See Storage."""
        return await anyio.to_thread.run_sync(self._get_preview, id)

    def _record(self, id: str) -> Path:
        """Return the path of the record of an id. Raises ValueError for text that is not an id."""
        created = datetime.fromtimestamp(time_of(uuid_of(id)), UTC)
        return self.folder / f"{created.year:04}" / f"{created.month:02}" / f"{id}.json"

    def _listing(self, month: Path) -> MonthListing:
        return self._listings.setdefault(month, MonthListing(month))

    def _newest_ids(self, before: str | None = None) -> Iterator[str]:
        """Yield the ids that have a record, or those before an id; newest first. Raises storage_failed."""
        for month in sorted(self.folder.glob("[0-9]*/[0-9]*"), reverse=True):
            page = self._page(month, before)
            while page:
                yield from page
                page = self._page(month, page[-1])

    def _page(self, month: Path, before: str | None) -> list[str]:
        try:
            return self._listing(month).before(before, PAGE)
        except OSError as error:
            self._none_if_missing(error)
            return []

    def _put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        sidecar = self._record(id)
        path = sidecar.with_name(asset_files.file_name(id, picture))
        stored_record = asset_files.with_file(record, path.name, picture)
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.folder, sidecar.parent.parent, sidecar.parent):
                folder.mkdir(exist_ok=True, mode=0o700)
            with self._listing(sidecar.parent).changing() as listing:
                # the record first, so that no picture is without one
                if new := write_new(sidecar, asset_files.encode_record(stored_record)):
                    pass
                elif (asset_files.parse_record(sidecar.read_bytes()) or {}).get("sha256") != stored_record["sha256"]:
                    raise asset_files.id_taken(id)
                try:
                    write_new(path, picture.image_bytes)
                    _sync_folder(path.parent)
                except OSError:
                    if new:
                        sidecar.unlink(missing_ok=True)
                    raise
                listing.add(id)
        except OSError as error:
            message = f"The folder {self.folder} could not be written ({error.strerror or type(error).__name__})."
            hint = f"Free some space, or set {self._variable} to a folder that can be written."
            raise ImageError(Reason.STORAGE_FAILED, message, hint=hint, facts={"trouble": "disk"}) from None
        return AssetHandle(id=id, path=str(path))

    def _head(self, id: str) -> dict[str, Any] | None:
        try:
            return asset_files.parse_record(self._record(id).read_bytes())
        except ValueError:  # not an id
            return None
        except OSError as error:
            return self._none_if_missing(error)

    def _get(self, id: str) -> Asset | None:
        if (record := self._head(id)) is None:
            return None
        try:
            return Asset(id, self._record(id).with_name(record["file"]).read_bytes(), record)
        except OSError as error:
            return self._none_if_missing(error)

    def _none_if_missing(self, error: OSError) -> None:
        """Return None for a missing file. Raises storage_failed for one that cannot be read."""
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return
        message = f"The folder {self.folder} could not be read ({error.strerror or type(error).__name__})."
        hint = f"Check its permissions, or set {self._variable} to another folder."
        raise ImageError(Reason.STORAGE_FAILED, message, hint=hint, facts={"trouble": "disk"}) from None

    def _newest(self, limit: int, before: str | None) -> list[Mapping[str, Any]]:
        found = list[Mapping[str, Any]]()
        if before and not is_id(before):
            return found
        for id in self._newest_ids(before):
            if len(found) == limit:
                break
            record = self._head(id)
            found += [record] if record and self._record(id).with_name(record["file"]).exists() else []
        return found

    def _delete(self, id: str) -> bool:
        if (record := self._head(id)) is None:
            return False
        sidecar = self._record(id)
        try:
            with self._listing(sidecar.parent).changing() as listing:
                for path in (sidecar.with_name(record["file"]), sidecar.with_suffix(".preview.jpg"), sidecar):
                    path.unlink(missing_ok=True)
                listing.discard(id)
        except OSError as error:
            self._none_if_missing(error)
        return True

    def _put_preview(self, id: str, jpeg: bytes) -> str | None:
        try:
            path = self._record(id).with_suffix(".preview.jpg")
            with self._listing(path.parent).changing():
                write_complete(path, jpeg, Path.replace)
        except (OSError, ValueError):
            return None
        return str(path)

    def _get_preview(self, id: str) -> bytes | None:
        try:
            return self._record(id).with_suffix(".preview.jpg").read_bytes()
        except (OSError, ValueError):
            return None


def write_new(path: Path, data: bytes) -> bool:
    """Write a new file; its name appears once it is complete. Return False when the name is taken."""
    try:
        write_complete(path, data, _link_or_move)
    except FileExistsError:
        return False
    return True


def write_complete(path: Path, data: bytes, name: Callable[[Path, Path], object]) -> None:
    """Write a file under a temporary name, readable by its owner only, then `name` it. A failure leaves no file."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        name(part, path)
    finally:
        part.unlink(missing_ok=True)


def _link_or_move(part: Path, path: Path) -> None:
    """Give a file its name. Raises FileExistsError when it is taken; a hard link checks that atomically."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as FAT
        if path.exists():
            raise FileExistsError(path) from None
        part.replace(path)


def _sync_folder(folder: Path) -> None:
    """Sync the entries of a folder to the disk, on systems that can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
