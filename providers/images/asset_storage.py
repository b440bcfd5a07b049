"""Assets, the images that are stored, and the interface of every storage for them.

An asset exists when both its image and its record are stored. Ids sort by time, so the newest are the greatest. Every
method that can fail raises storage_failed with the cause and a hint. No method does I/O on the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from atelier.providers.core.results import AssetHandle
from atelier.providers.core.types import Picture


@dataclass(frozen=True, slots=True)
class Asset:
    """A stored image with its record."""

    id: str
    image_bytes: bytes = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)


class AssetReader(Protocol):
    """Reads assets from a storage."""

    async def get(self, id: str) -> Asset | None:
        """Return the asset with this id, or None."""
        ...

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        """Return the newest records, newest first; with `before`, only those older than that id."""
        ...


class Storage(AssetReader, Protocol):
    """Stores assets; `get` and `newest` are inherited."""

    @property
    def home(self) -> str:
        """A name of the location: equal for processes with the same location, different for all others."""
        ...

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """Store an image with its record, completely or not at all. Nothing is overwritten.

        If the id exists with the same bytes, the first record stays; other bytes are storage_failed. The storage adds
        `file` (the name of the image) and `sha256` (hex) to the record.
        """
        ...

    async def head(self, id: str) -> Mapping[str, Any] | None:
        """Return the record of an asset without its image, or None."""
        ...

    async def delete(self, id: str) -> bool:
        """Remove an asset with its preview. Returns False if there was none."""
        ...

    async def link(self, id: str) -> str | None:
        """Return a new link to the image that works without credentials; None if there is no link or no such asset."""
        ...

    async def where(self, id: str) -> AssetHandle | None:
        """Return a new handle with the path on this machine, the link, or both; None if there is no such asset."""
        ...

    def located(self, handle: AssetHandle) -> AssetHandle:
        """Return a handle of `put` with the path or the link by which this caller reaches the image. Does no I/O."""
        ...

    def id_in(self, url: str) -> str | None:
        """Return the id in a link of this storage, without any I/O; None for another link."""
        ...

    async def put_preview(self, id: str, jpeg: bytes) -> str | None:
        """Store or replace the preview of an asset. Returns its path on this machine, if any.

        Never raises, because a preview can be made again.
        """
        ...

    async def get_preview(self, id: str) -> bytes | None:
        """Return the stored preview; None if there is none or the storage does not answer."""
        ...
