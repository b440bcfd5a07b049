"""A storage as somebody elsewhere sees it: pictures have an address, and nothing tells of this machine's folders."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import AssetHandle, Picture
from atelier.providers.images.asset_storage import Storage
from atelier.providers.images.sources import Asset
from atelier.server.logs import log

address: ContextVar[str] = ContextVar("address", default="")
"""Where the caller reached this server: scheme, host and port."""

FILE = re.compile(r"/image/(img_[0-9a-z]{26})/file")
PASSING = frozenset({"unreachable", "failing", None})
"""Troubles of a storage that may be over later; a silence has no word."""
WAITS = "It waits for its storage on the server, and is delivered later; its id works all the same."


class Remote:
    """A storage whose handles lead over the web: the store's own link where it has one, else this server's."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @property
    def home(self) -> str:
        """See Storage; it is told to nobody."""
        return self._storage.home

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """See Storage."""
        with sealed():
            stored = await self._storage.put(id, picture, record)
        return AssetHandle(
            id=id, url=stored.url, warning=WAITS if stored.warning else ""
        )  # who asks for it is told where

    async def get(self, id: str) -> Asset | None:
        """The picture of that id."""
        with sealed():
            return await self._storage.get(id)

    async def head(self, id: str) -> Mapping[str, Any] | None:
        """See Storage."""
        with sealed():
            return await self._storage.head(id)

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        """See AssetReader."""
        with sealed():
            return await self._storage.newest(limit, before)

    async def delete(self, id: str) -> bool:
        """See Storage."""
        with sealed():
            return await self._storage.delete(id)

    async def link(self, id: str) -> str | None:
        """See Storage."""
        where = await self.where(id)
        return where.url if where else None

    async def where(self, id: str) -> AssetHandle | None:
        """See Storage; it has no path."""
        with sealed():
            where = await self._storage.where(id)
        return _handle(where) if where else None

    def id_in(self, url: str) -> str | None:
        """The id in a link of the store, or of this server."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        found = FILE.fullmatch(parts.path)
        ours = found and address.get() and url.startswith(f"{address.get()}/")
        return found[1] if found and ours else self._storage.id_in(url)

    async def put_preview(self, id: str, jpeg: bytes) -> str | None:
        """See Storage; it has no path."""
        await self._storage.put_preview(id, jpeg)

    async def get_preview(self, id: str) -> bytes | None:
        """See Storage."""
        return await self._storage.get_preview(id)


@contextmanager
def sealed() -> Generator[None]:
    """What the storage says of its troubles is for the log; the caller hears that there is one."""
    try:
        yield
    except ImageError as error:
        raise unplaced(error) from None


def unplaced(error: ImageError) -> ImageError:
    """The error, without the folders and buckets that one of the storage names."""
    if error.reason is not Reason.STORAGE_FAILED or error.facts.get("sealed"):
        return error
    log.error("storage failed", extra={"facts": {"why": error.message}})
    message, hint = "The server cannot use its storage.", "Tell whoever runs it; its log says what to change."
    if error.facts.get("trouble") in PASSING:
        message, hint = "The server cannot reach what it keeps just now.", "Try again later, or tell whoever runs it."
    return ImageError(error.reason, message, hint=hint, facts={**error.facts, "sealed": True})


def _handle(stored: AssetHandle) -> AssetHandle:
    url = stored.url or (f"{address.get()}/image/{stored.id}/file" if address.get() else None)
    return AssetHandle(id=stored.id, url=url, warning=WAITS if stored.warning else "")
