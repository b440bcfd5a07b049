"""A store, and a folder on this machine for what the store does not take.

A paid picture is on this disk before an answer is sent, whatever the store does. What waits is delivered by `flush`,
which may run in several processes at once and be killed at any point: the store overwrites nothing and knows its own
pictures again, and a picture leaves the folder only once the store has it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import AssetHandle, Picture
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.identify import identify
from atelier.providers.images.sources import Asset
from atelier.server.storage import asset_files
from atelier.server.storage.local import LocalStorage

PATIENCE = 30.0  # seconds that a picture's answer waits for the store
TROUBLES = frozenset(
    {"bucket", "credentials", "denied", "region", "addressing", "full", "unreachable", "failing", "disk"}
)
"""Troubles that every picture would have; any other is one picture's own."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """What became of a picture that waited: where it is now, or why it still waits."""

    id: str
    stored: AssetHandle | None = None
    problem: str = ""


class UploadQueue:
    """`store` with `waiting` before it. Ahead: every picture is on this disk before the store is tried.

    That is for a store that may take long, so that not even `kill -9` on the way loses a picture.
    """

    def __init__(self, store: Storage, waiting: LocalStorage, *, ahead: bool) -> None:
        self._store = store
        self._waiting = waiting
        self._ahead = ahead
        self._spared_until = 0.0

    @property
    def _waits(self) -> str:
        return f"The picture waits in {self._waiting.folder}; `atelier flush` delivers it."

    @property
    def home(self) -> str:
        """Where they are bound for."""
        return self._store.home

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """See Storage. Raises only when neither takes it, or when the id is taken."""
        held = await self._hold(id, picture, record) if self._ahead else None
        try:
            stored = await self._tried(id, picture, record)
        except ImageError as error:
            if error.facts.get("trouble") == "taken":
                await self._release(id)
                raise
            held = held if self._ahead else await self._hold(id, picture, record)
            if not isinstance(held, AssetHandle):
                raise _both(error, held) from None
            return AssetHandle(id=id, path=held.path, warning=f"{error.message} {self._waits} {error.hint}".strip())
        await self._release(id)
        return stored

    async def get(self, id: str) -> Asset | None:
        """The picture of that id, delivered or not."""
        return await self._waiting.get(id) or await self._store.get(id)

    async def head(self, id: str) -> Mapping[str, Any] | None:
        """See Storage."""
        return await self._waiting.head(id) or await self._store.head(id)

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        """See AssetReader. When the store cannot be read, the error names the images that wait, by their ids."""
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
        """See Storage; from both."""
        here = await self._waiting.delete(id)
        return await self._store.delete(id) or here

    async def link(self, id: str) -> str | None:
        """See Storage; what waits has no link yet."""
        return None if await self._waiting.head(id) else await self._store.link(id)

    async def where(self, id: str) -> AssetHandle | None:
        """See Storage; what waits has a path and no link yet."""
        if here := await self._waiting.where(id):
            return replace(here, warning=self._waits)
        return await self._store.where(id)

    def id_in(self, url: str) -> str | None:
        """See Storage."""
        return self._store.id_in(url)

    async def put_preview(self, id: str, jpeg: bytes) -> str | None:
        """Beside the picture, wherever that is."""
        with contextlib.suppress(ImageError):
            return await (self._waiting if await self._waiting.head(id) else self._store).put_preview(id, jpeg)
        return None

    async def get_preview(self, id: str) -> bytes | None:
        """See Storage."""
        return await self._waiting.get_preview(id) or await self._store.get_preview(id)

    async def flush(self) -> AsyncIterator[Flushed]:
        """Deliver what waits, oldest first, and tell of each. Raises storage_failed when the folder cannot be read.

        Once the store itself is in trouble, the rest is not tried; a picture with a trouble of its own holds up none.
        """
        problem = ""
        for id in await self._waiting.ids():
            if problem:
                yield Flushed(id, problem=problem)
                continue
            try:
                if done := await self._deliver(id):
                    yield done
            except ImageError as error:
                yield Flushed(id, problem=f"{error.message} {error.hint}".strip())
                if error.facts.get("trouble") in TROUBLES:
                    problem = error.message

    async def _deliver(self, id: str) -> Flushed | None:
        """One picture to the store. None when another process was faster."""
        try:
            asset = await self._waiting.get(id)
        except ImageError as error:
            return Flushed(id, problem=error.message)
        if asset is None or (picture := _picture(asset)) is None:
            if id not in await self._waiting.ids():
                return None
            if await self._store.head(id):  # it was delivered, and its removal broke off
                await self._release(id)
                return None
            return Flushed(id, problem=f"It is damaged; see {self._waiting.folder}.")
        stored = await self._store.put(id, picture, asset.record)
        if jpeg := await self._waiting.get_preview(id):
            await self._store.put_preview(id, jpeg)
        await self._release(id)
        return Flushed(id, stored)

    async def _release(self, id: str) -> None:
        """Out of the folder. What cannot be removed now is found to be delivered by the next flush."""
        with contextlib.suppress(ImageError):
            await self._waiting.delete(id)

    async def _tried(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """The store's answer, if it comes in time. After a silence the next pictures do not wait for it at all."""
        late = ImageError(Reason.STORAGE_FAILED, f"The store gave no answer within {PATIENCE:.0f} s.")
        if time.monotonic() < self._spared_until:
            raise late
        try:
            with anyio.fail_after(PATIENCE):
                return await self._store.put(id, picture, record)
        except TimeoutError:
            self._spared_until = time.monotonic() + PATIENCE
            raise late from None

    async def _hold(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle | ImageError:
        """The picture in the folder, or why that did not take it. Raises when another one waits under that id."""
        try:
            return await self._waiting.put(id, picture, record)
        except ImageError as error:
            if error.facts.get("trouble") == "taken":
                raise
            return error


def _both(error: ImageError, other: ImageError | None) -> ImageError:
    """The store's error, with what the folder had to say."""
    if other is None:
        return error
    message, hint = f"{error.message} {other.message}", f"{error.hint} {other.hint}".strip()
    return ImageError(error.reason, message, hint=hint, facts=error.facts)


def _picture(asset: Asset) -> Picture | None:
    """What waits as a picture; None when it is not what its record says."""
    if asset_files.digest(asset.image_bytes) != asset.record.get("sha256"):
        return None
    try:
        return Picture(asset.image_bytes, *identify(asset.image_bytes))
    except ValueError:
        return None
