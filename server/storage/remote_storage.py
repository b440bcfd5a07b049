"""The storage of a remote caller: pictures have an address, and no answer names this machine's folders."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import AssetHandle
from atelier.providers.core.tracing import new_id
from atelier.providers.core.types import Picture
from atelier.providers.images.asset_storage import Asset, Storage
from atelier.server.observability.logs import log
from atelier.server.storage.signed_links import Kind, SignedLinks

address: ContextVar[str] = ContextVar("address", default="")
"""Scheme, host and port under which the caller reached this server."""

FILE = re.compile(r"/image/(img_[0-9a-z]{26})/file|/i/(img_[0-9a-z]{26})")
TRANSIENT = frozenset({"unreachable", "failing", None})
"""Storage troubles that may pass; a timeout has None."""
QUEUED_WARNING = "The image is queued on the server and uploaded later; its id works meanwhile."


@dataclass(frozen=True, slots=True)
class UploadLink:
    """A link that takes one upload, the id that its image will have, and its end in seconds since 1970."""

    url: str
    id: str
    expires: int


class RemoteStorage:
    """A storage whose handles have addresses: the store's own link, else a signed one of this server.

    `owner` is the folder of its images, by which a link finds them.
    """

    def __init__(self, storage: Storage, owner: str, links: SignedLinks) -> None:
        self._storage = storage
        self._owner = owner
        self._links = links

    @property
    def home(self) -> str:
        """See Storage; never shown to a caller."""
        return self._storage.home

    async def put(self, id: str, picture: Picture, record: Mapping[str, Any]) -> AssetHandle:
        """See Storage."""
        with without_locations():
            stored = await self._storage.put(id, picture, record)
        # `located` adds the address by which a caller knows this server
        return AssetHandle(id=id, url=stored.url, warning=QUEUED_WARNING if stored.warning else "")

    async def get(self, id: str) -> Asset | None:
        """Return the picture of that id."""
        with without_locations():
            return await self._storage.get(id)

    async def head(self, id: str) -> Mapping[str, Any] | None:
        """See Storage."""
        with without_locations():
            return await self._storage.head(id)

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        """See AssetReader."""
        with without_locations():
            return await self._storage.newest(limit, before)

    async def delete(self, id: str) -> bool:
        """See Storage."""
        with without_locations():
            return await self._storage.delete(id)

    async def link(self, id: str) -> str | None:
        """See Storage."""
        where = await self.where(id)
        return where.url if where else None

    async def where(self, id: str) -> AssetHandle | None:
        """See Storage; it has no path."""
        with without_locations():
            where = await self._storage.where(id)
        return self.located(where) if where else None

    def located(self, handle: AssetHandle) -> AssetHandle:
        """Return the handle with the store's link, else a signed link of this server; it has no path."""
        own = f"{address.get()}{self._links.path(Kind.IMAGE, self._owner, handle.id)}" if address.get() else None
        return AssetHandle(id=handle.id, url=handle.url or own, warning=QUEUED_WARNING if handle.warning else "")

    def id_in(self, url: str) -> str | None:
        """Return the id in a link of the store or of this server."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        found = FILE.fullmatch(parts.path)
        ours = found and address.get() and url.startswith(f"{address.get()}/")
        return (found[1] or found[2]) if found and ours else self._storage.id_in(url)

    async def put_preview(self, id: str, jpeg: bytes) -> str | None:
        """See Storage; it has no path."""
        await self._storage.put_preview(id, jpeg)

    async def get_preview(self, id: str) -> bytes | None:
        """See Storage."""
        return await self._storage.get_preview(id)

    def upload_link(self) -> UploadLink:
        """Return a new link under which one image can be uploaded without a token."""
        id = new_id("img")
        path, expires = self._links.path(Kind.UPLOAD, self._owner, id), self._links.expiry(Kind.UPLOAD)
        return UploadLink(f"{address.get()}{path}", id, expires)

    def upload_hint(self) -> str:
        """Return a sentence with a new upload link; empty where the server does not know its own address."""
        if not address.get():
            return ""
        link = self.upload_link()
        return f" Or have the user upload it at {link.url} (works once, for an hour), and give {link.id}."


OPERATORS = frozenset({"url", "polling_url", "bucket", "sealed"})
"""Facts for those who run the server: how it reaches vendors and stores."""


def without_addresses(error: ImageError) -> ImageError:
    """Return the error without the address that the vendor was called at, which may be a gateway of the operator."""
    if not OPERATORS & error.facts.keys():
        return error
    facts = {name: fact for name, fact in error.facts.items() if name not in OPERATORS}
    message, hint, called = error.message, error.hint, urlsplit(str(error.facts.get("url", "")))
    if called.hostname:
        address_of_vendor = re.compile(rf"{called.scheme}://{re.escape(called.netloc)}\S*?(?=[.,]?(\s|$))")
        message, hint = (
            address_of_vendor.sub("the vendor's address", text).replace(called.hostname, "the vendor")
            for text in (message, hint)
        )
    shown = f"{message[:1].upper()}{message[1:]}"
    return ImageError(error.reason, shown, hint=hint, retry_after=error.retry_after, facts=facts)


@contextmanager
def without_locations() -> Generator[None]:
    """Remove folders and buckets from an ImageError of the block."""
    try:
        yield
    except ImageError as error:
        raise without_location(error) from None


def without_location(error: ImageError) -> ImageError:
    """Return the error without the folders and buckets that it names; those are logged."""
    if error.reason is not Reason.STORAGE_FAILED or error.facts.get("sealed"):
        return error
    log.error("storage failed", extra={"facts": {"why": error.message}})
    message, hint = "The server cannot use its storage.", "Tell its operator; the log says what to change."
    if error.facts.get("trouble") in TRANSIENT:
        message, hint = "The server cannot reach its storage now.", "Try again later, or tell its operator."
    return ImageError(error.reason, message, hint=hint, facts={**error.facts, "sealed": True})
