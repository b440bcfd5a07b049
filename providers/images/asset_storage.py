"""Where pictures are kept and found again: one promise, whatever the kind of storage.

A picture is its bytes and its record, and is there when both are. Ids sort by time, so the newest are the greatest.
Every method that can fail raises storage_failed, with a sentence that tells what is wrong and what to do about it.
None of them does its I/O on the event loop's own thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from atelier.providers.core.types import AssetHandle, Picture
from atelier.providers.images.sources import AssetReader


class Storage(AssetReader, Protocol):
    """`get` and `newest` are those of a AssetReader."""

    @property
    def home(self) -> str:
        """Where it keeps pictures: the same word for every process that keeps them there, another for any other."""
        ...

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """Keep a picture, whole or not at all, with the record of how it came to be. Nothing is ever overwritten.

        The same bytes under an id that is taken are the same picture, and the first record stands; other bytes are
        storage_failed. The storage adds `file` (its name for the picture) and `sha256` (hex) to the record.
        """
        ...

    async def head(self, id: str) -> Mapping[str, Any] | None:
        """The record of a picture, without the picture; None when there is none of that id."""
        ...

    async def delete(self, id: str) -> bool:
        """Remove a picture with all that belongs to it. False when there was none."""
        ...

    async def link(self, id: str) -> str | None:
        """A fresh address under which whoever has it can fetch the picture; None when it has none, or is not there."""
        ...

    async def where(self, id: str) -> AssetHandle | None:
        """A fresh handle: its path on this machine, its address, or both; None when there is none of that id."""
        ...

    def id_in(self, url: str) -> str | None:
        """The id in a link of this storage, without fetching anything; None for any other address."""
        ...

    async def put_preview(self, id: str, jpeg: bytes) -> str | None:
        """Keep a preview beside its picture, in place of an earlier one. Returns its path on this machine, if any.

        Never raises: a preview can be made again.
        """
        ...

    async def get_preview(self, id: str) -> bytes | None:
        """The preview that was kept; None when there is none, or none can be had just now."""
        ...
