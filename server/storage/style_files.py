"""The files of the style library: in a folder, or below a prefix of the bucket. See `StyleFiles`."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.images.allowed_files import OutsideFoldersError, read_file
from atelier.server.storage.local import write_complete, write_new
from atelier.server.storage.s3_client import Connection

MAX_NAMES = 1_000  # files of one place; a store lists as many at once


class FolderStyles:
    """The files of a folder, which the first write creates. Links out of the folder are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def names(self) -> list[str]:
        """See StyleFiles."""
        return await anyio.to_thread.run_sync(self._names)

    async def read(self, name: str, max_bytes: int) -> bytes | None:
        """See StyleFiles."""
        return await anyio.to_thread.run_sync(self._read, name, max_bytes)

    async def write(self, name: str, data: bytes, *, overwrite: bool) -> bool:
        """See StyleFiles."""
        return await anyio.to_thread.run_sync(self._write, name, data, overwrite)

    def where(self, name: str) -> str:
        """Return the path of a file."""
        return str(self._folder / name)

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_file())[:MAX_NAMES]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._failed("read", error) from None

    def _read(self, name: str, max_bytes: int) -> bytes | None:
        if Path(name).name != name:
            return None
        try:
            return read_file(self._folder / name, (self._folder,), max_bytes)
        except OutsideFoldersError:
            return None
        except ValueError as error:
            raise _unusable(name, str(error)) from None
        except OSError as error:
            raise self._failed("read", error) from None

    def _write(self, name: str, data: bytes, overwrite: bool) -> bool:
        path = self._folder / name
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not overwrite:
                return write_new(path, data)
            write_complete(path, data, Path.replace)
        except OSError as error:
            raise self._failed("written", error) from None
        return True

    def _failed(self, done: str, error: OSError) -> ImageError:
        message = f"The folder {self._folder} could not be {done} ({error.strerror or type(error).__name__})."
        hint = "Check its permissions, or set ATELIER_STYLES_DIR to another folder."
        return ImageError(Reason.STORAGE_FAILED, message, hint=hint, facts={"trouble": "disk"})


class BucketStyles:
    """The objects directly below a prefix of the bucket."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection, self._prefix = connection, prefix

    async def names(self) -> list[str]:
        """See StyleFiles."""
        return await self._connection.run(self._names)

    async def read(self, name: str, max_bytes: int) -> bytes | None:
        """See StyleFiles."""
        return await self._connection.run(partial(self._read, name, max_bytes))

    async def write(self, name: str, data: bytes, *, overwrite: bool) -> bool:
        """See StyleFiles."""
        if not overwrite and name in await self.names():
            return False
        await self._connection.run(partial(self._write, name, data))
        return True

    def where(self, name: str) -> str:
        """Return the key of a file."""
        return f"{self._prefix}{name} of the bucket {self._connection.bucket.name}"

    def _names(self, client: Any) -> list[str]:
        page = client.list_objects_v2(Bucket=self._connection.bucket.name, Prefix=self._prefix, Delimiter="/")
        return [each["Key"].removeprefix(self._prefix) for each in page.get("Contents", ())]

    def _read(self, name: str, max_bytes: int, client: Any) -> bytes | None:
        try:
            found = client.get_object(Bucket=self._connection.bucket.name, Key=f"{self._prefix}{name}")
        except client.exceptions.NoSuchKey:
            return None
        with contextlib.closing(found["Body"]) as body:
            if found["ContentLength"] > max_bytes:
                raise _unusable(name, f"is larger than {max_bytes / 2**20:g} MB")
            return body.read()

    def _write(self, name: str, data: bytes, client: Any) -> None:
        bucket, key = self._connection.bucket.name, f"{self._prefix}{name}"
        client.put_object(Bucket=bucket, Key=key, Body=data, ContentType="text/markdown; charset=utf-8")


def _unusable(name: str, why: str) -> ImageError:
    message = f"The file {sanitize(name, 80)} of the styles {why}."
    return ImageError(Reason.INVALID_REQUEST, message, hint="Make it smaller.")
