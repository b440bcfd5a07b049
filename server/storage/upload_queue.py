"""Storage with a local queue for images whose upload failed.

A paid image is on this disk before the result is returned, even if the store is down. `flush` uploads queued images.
It may run in several processes at once and be killed at any point: the store overwrites no image and recognises its
own, and an image leaves the folder only once the store has it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import AssetHandle
from atelier.providers.core.types import Picture
from atelier.providers.images.asset_storage import Asset, Storage
from atelier.providers.images.identify import identify
from atelier.server.storage import asset_files
from atelier.server.storage.local import LocalStorage

STORE_TIMEOUT = 30.0  # seconds that a put waits for the store
STORE_WIDE = frozenset(
    {"bucket", "credentials", "denied", "region", "addressing", "full", "unreachable", "failing", "disk"}
)
"""Causes of failure that concern every image; any other concerns one image."""


@dataclass(frozen=True, slots=True)
class UploadOutcome:
    """The outcome of one queued picture: where it is stored, or why it is still queued."""

    id: str
    stored: AssetHandle | None = None
    problem: str = ""


class UploadQueue:
    """Writes to `store`, and to the local folder `waiting` when that fails.

    With `write_ahead` every picture is written to the folder before the store is tried: for a slow store, so that not
    even `kill -9` during the upload loses a picture.
    """

    def __init__(self, store: Storage, waiting: LocalStorage, *, write_ahead: bool) -> None:
        self._store = store
        self._waiting = waiting
        self._write_ahead = write_ahead
        self._retry_at = 0.0

    @property
    def _waiting_note(self) -> str:
        return f"The image is queued in {self._waiting.folder}; `atelier flush` uploads it."

    @property
    def home(self) -> str:
        """See Storage; that of the store."""
        return self._store.home

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """See Storage. Raises only when neither store nor folder accepts the picture, or when the id is taken."""
        held = await self._hold(id, picture, record) if self._write_ahead else None
        try:
            stored = await self._try_store(id, picture, record)
        except ImageError as error:
            if error.facts.get("trouble") == "taken":
                if self._write_ahead:
                    await self._release(id)
                raise
            held = held if self._write_ahead else await self._hold(id, picture, record)
            if not isinstance(held, AssetHandle):
                raise _combined(error, held) from None
            return AssetHandle(
                id=id, path=held.path, warning=f"{error.message} {self._waiting_note} {error.hint}".strip()
            )
        if self._write_ahead:
            await self._release(id)
        return stored

    async def get(self, id: str) -> Asset | None:
        """Return the picture of that id, queued or stored."""
        return await self._waiting.get(id) or await self._store.get(id)

    async def head(self, id: str) -> Mapping[str, Any] | None:
        """See Storage."""
        return await self._waiting.head(id) or await self._store.head(id)

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        """See AssetReader. When the store cannot be read, the error names the ids of queued images."""
        here = await self._waiting.newest(limit, before)
        try:
            there = await self._store.newest(limit, before)
        except ImageError as error:
            if here:
                named = ", ".join(str(record["id"]) for record in here[:3])
                error.hint = f"{error.hint} Still on this machine: {named}; name one of them by its id.".strip()
            raise
        both = {str(record["id"]): record for record in (*there, *here)}
        return [both[id] for id in sorted(both, reverse=True)[:limit]]

    async def delete(self, id: str) -> bool:
        """See Storage; deletes from both."""
        here = await self._waiting.delete(id)
        return await self._store.delete(id) or here

    async def link(self, id: str) -> str | None:
        """See Storage; a queued picture has no link yet."""
        return None if await self._waiting.head(id) else await self._store.link(id)

    async def where(self, id: str) -> AssetHandle | None:
        """See Storage; a queued picture has a path and no link yet."""
        if here := await self._waiting.where(id):
            return replace(here, warning=self._waiting_note)
        return await self._store.where(id)

    def located(self, handle: AssetHandle) -> AssetHandle:
        """See Storage."""
        return self._store.located(handle)

    def id_in(self, url: str) -> str | None:
        """See Storage."""
        return self._store.id_in(url)

    async def put_preview(self, id: str, jpeg: bytes) -> str | None:
        """Store the preview beside its picture."""
        with contextlib.suppress(ImageError):
            return await (self._waiting if await self._waiting.head(id) else self._store).put_preview(id, jpeg)
        return None

    async def count(self) -> int:
        """Return how many images are queued."""
        return len(await self._waiting.ids())

    async def get_preview(self, id: str) -> bytes | None:
        """See Storage."""
        return await self._waiting.get_preview(id) or await self._store.get_preview(id)

    async def flush(self) -> AsyncIterator[UploadOutcome]:
        """Upload the queued pictures, oldest first, and yield each outcome. Raises storage_failed for the folder.

        A trouble of the store itself ends the attempts; a trouble of one picture does not.
        """
        problem = ""
        for id in await self._waiting.ids():
            if problem:
                yield UploadOutcome(id, problem=problem)
                continue
            try:
                if done := await self._upload(id):
                    yield done
            except ImageError as error:
                yield UploadOutcome(id, problem=f"{error.message} {error.hint}".strip())
                if error.facts.get("trouble") in STORE_WIDE:
                    problem = error.message

    async def _upload(self, id: str) -> UploadOutcome | None:
        """Upload one picture. Return None when another process did so first."""
        try:
            asset = await self._waiting.get(id)
        except ImageError as error:
            return UploadOutcome(id, problem=error.message)
        if asset is None or (picture := _picture(asset)) is None:
            if id not in await self._waiting.ids():
                return None
            if await self._store.head(id):  # it was uploaded, but not removed from the folder
                await self._release(id)
                return None
            return UploadOutcome(id, problem=f"It is damaged; see {self._waiting.folder}.")
        stored = await self._store.put(id, picture, asset.record)
        if jpeg := await self._waiting.get_preview(id):
            await self._store.put_preview(id, jpeg)
        await self._release(id)
        return UploadOutcome(id, stored)

    async def _release(self, id: str) -> None:
        """Remove a picture from the folder. If that fails, the next flush finds it uploaded."""
        with contextlib.suppress(ImageError):
            await self._waiting.delete(id)

    async def _try_store(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """Put the picture into the store. After a timeout, puts fail at once for another STORE_TIMEOUT."""
        late = ImageError(Reason.STORAGE_FAILED, f"The store gave no answer within {STORE_TIMEOUT:.0f} s.")
        if time.monotonic() < self._retry_at:
            raise late
        try:
            with anyio.fail_after(STORE_TIMEOUT):
                return await self._store.put(id, picture, record)
        except TimeoutError:
            self._retry_at = time.monotonic() + STORE_TIMEOUT
            raise late from None

    async def _hold(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle | ImageError:
        """Put the picture into the folder; return the error when that fails. Raises when the id is taken."""
        try:
            return await self._waiting.put(id, picture, record)
        except ImageError as error:
            if error.facts.get("trouble") == "taken":
                raise
            return error


def _combined(error: ImageError, other: ImageError | None) -> ImageError:
    """Return the store's error with the message of the folder's."""
    if other is None:
        return error
    message, hint = f"{error.message} {other.message}", f"{error.hint} {other.hint}".strip()
    return ImageError(error.reason, message, hint=hint, facts=error.facts)


def _picture(asset: Asset) -> Picture | None:
    """Return a queued picture, or None when its bytes do not match its record."""
    if asset_files.digest(asset.image_bytes) != asset.record.get("sha256"):
        return None
    try:
        return Picture(asset.image_bytes, *identify(asset.image_bytes))
    except ValueError:
        return None
