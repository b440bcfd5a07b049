"""Source pictures: from an id, `last`, a link, an allowed path or a data URI to bytes that were looked at.

A new way to name a picture is one more branch in `Sources.read`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Picture
from atelier.providers.images.allowed_files import (
    OutsideFoldersError,
    SeveralError,
    is_inside,
    nearly_named,
    read_within,
)
from atelier.providers.images.decode import upright
from atelier.providers.images.heif import converted, heif_kind, opened_heif
from atelier.providers.images.identify import identify
from atelier.providers.images.path_words import PATH, paths_of, shown, unquoted
from atelier.providers.images.provenance import read as read_facts
from atelier.providers.images.provenance import without_facts
from atelier.providers.images.repair import repaired
from atelier.providers.transport.network.web_fetch import WebFetcher
from atelier.providers.transport.vendor_json import base64_bytes

ASSET = re.compile(r"img_[0-9a-z]{26}")
BASE64 = re.compile(
    r"[A-Za-z0-9+][A-Za-z0-9+/_-]{63,}[=\s]*\Z|iVBORw0KGgo|/9j/[A-Za-z0-9+/]{12}|UklGR[A-Za-z0-9+/]{8}|R0lGOD[a-z]"
    r"|AAAA[A-Za-z0-9+/]GZ0eXB"
)
"""How a picture looks that was pasted in base64; the last ones are how a PNG, JPEG, WebP, GIF and HEIC begin."""


RECOGNISED = 3.0  # seconds in which bytes from elsewhere are compared with the kept picture that they may be
LOOKED_THROUGH = 25  # the newest pictures, among which one is no copy: a call makes ten of each at most

SMALLER = "Scale it down first, or have ATELIER_SOURCE_MAX_MB raised."
ALLOWED = "Allowed are the output folder and the folders that ATELIER_INPUT_DIRS names."

OwnLinkResolver = Callable[[str], str | None]
"""From a link to the id of the picture of ours that it leads to, without fetching it; None for a stranger's."""


def no_own_links(url: str) -> str | None:
    """Nothing is ours: the rule of who has no links of their own."""
    return None


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a source picture may be, in bytes and in pixels; a decompression bomb claims more."""

    most_bytes: int = 25 * 2**20
    most_pixels: int = 40_000_000


@dataclass(frozen=True, slots=True)
class Asset:
    """A kept picture with the record of how it came to be."""

    id: str
    image_bytes: bytes = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)


class AssetReader(Protocol):
    """Where kept pictures are found again."""

    async def get(self, id: str) -> Asset | None:
        """The picture of that id, if there is one."""
        ...

    async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
        """The records of the pictures that were kept last, newest first; those older than the id `before`."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A source picture; `id` and `provider` say where it came from when it is one of ours."""

    picture: Picture
    id: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """How words become pictures. `folders` are those that may be read from; none means that no path may.

    `own_link` knows our own links, which are looked up and not fetched. Every other is fetched through `web`, the
    second door to the network beside `wire`; no key passes through it.
    """

    shelf: AssetReader | None = None
    folders: tuple[Path, ...] = ()
    web: WebFetcher = field(default_factory=WebFetcher)
    own_link: OwnLinkResolver = no_own_links
    limits: Limits = Limits()

    async def read(self, words: str) -> Found:
        """The picture that some words name.

        Raises invalid_request or not_found with the forms that work, and for a link timeout or network_error too.
        """
        text = unquoted(words.strip())
        asset = ASSET.fullmatch(text.removeprefix("image://assets/"))
        if text == "last" or asset:
            return await self._kept(asset[0] if asset else None)
        if text.startswith("data:"):
            return await self._recognised(_inline(text, self.limits.most_bytes))
        if text.lower().startswith(("http://", "https://")):
            if ours := self.own_link(text):
                return await self._kept(ours)
            return await self._recognised(await self.web.fetch(text, self.limits.most_bytes))
        if BASE64.match(text):
            return await self._recognised(_from_base64(text, self.limits.most_bytes))
        if PATH.match(text):
            name, data = await anyio.to_thread.run_sync(self._file, text)
            found = await self._recognised(data, Path(name).stem)
            return replace(found, picture=replace(found.picture, name=name))
        words = f" (“{sanitize(text)}”)" if len(text) < 60 else ""
        raise _refused(f"This{words} does not name a picture.", self.forms)

    @property
    def forms(self) -> str:
        """The ways to name a picture that work here, as a hint."""
        path = "the path of a file in an allowed folder, " if self.folders else ""
        return f"Give an asset id, “last”, a public https address, {path}or its bytes as base64 or a data: URI."

    async def _kept(self, id: str | None) -> Found:
        asset = None
        try:
            with anyio.fail_after(self.web.seconds):  # as for a picture of somebody else's
                wanted = id or (await last(self.shelf) if self.shelf else None)
                asset = await self.shelf.get(wanted) if self.shelf and wanted else None
        except TimeoutError:
            message = f"The storage did not hand the picture over within {self.web.seconds:g} seconds."
            raise ImageError(Reason.STORAGE_FAILED, message, hint="Try again later.") from None
        if asset is None:
            what = f"There is no picture {id}." if id else "There is no picture yet that could be the last one."
            raise ImageError(Reason.NOT_FOUND, what, hint=self.forms)
        return await self._found(asset.image_bytes, asset.id, asset.record.get("provider"))

    async def _recognised(self, data: bytes, name: str = "") -> Found:
        """Bytes from elsewhere. Those of a kept picture are that picture, so that what is made of it has its parent.

        They are known by the id in the file itself, else by its name; what they are is settled by comparing them.
        """
        found = await self._found(data)
        id = str((await anyio.to_thread.run_sync(read_facts, data) or {}).get("id") or name)
        if self.shelf and ASSET.fullmatch(id):
            with suppress(ImageError), anyio.move_on_after(RECOGNISED):  # the bytes are here, whatever the storage says
                asset = await self.shelf.get(id)
                if asset and asset.image_bytes == data:
                    return replace(found, id=id, provider=asset.record.get("provider"))
        return found

    async def _found(self, data: bytes, id: str | None = None, provider: str | None = None) -> Found:
        return Found(await anyio.to_thread.run_sync(source, data, self.limits), id, provider)

    def _file(self, text: str) -> tuple[str, bytes]:
        """The name and the bytes of a file in an allowed folder; what is exactly so called comes first."""
        if not self.folders:
            raise _refused("No file of this machine can be named here.", self.forms)
        paths = paths_of(text)
        try:
            for path in paths:
                with suppress(OutsideFoldersError):
                    return path.name, read_within(path, self.folders, self.limits.most_bytes)
            for path in paths:
                with suppress(OutsideFoldersError):
                    near = nearly_named(path, self.folders)
                    return near.name, read_within(near, self.folders, self.limits.most_bytes)
        except SeveralError:
            message = f"There are several files that “{shown(text)}” could mean."
            hint = "Their names differ in the kind of space or in how accents are written only. Rename all but one."
            raise _refused(message, hint) from None
        except ValueError as error:
            raise _refused(f"The source {error}.", "Give a picture's file, or a smaller one.") from None
        except OSError:
            raise _refused("The source file cannot be read.", "Check its permissions.") from None
        if any(is_inside(path, self.folders) for path in paths):
            raise _refused(f"There is no file at “{shown(text)}”.", f"Check its name. {ALLOWED}")
        # one answer for all of them, so that nobody can find out which files exist
        raise _refused("The path is not in an allowed folder.", ALLOWED)


async def last(shelf: AssetReader) -> str | None:
    """The id of the picture that was made last. A copy that was delivered beside one is not meant."""
    records = await shelf.newest(LOOKED_THROUGH)
    return next((str(record["id"]) for record in records if record.get("operation") != "deliver"), None)


def source(data: bytes, limits: Limits = Limits()) -> Picture:
    """Bytes that a caller gave -> Picture, upright and without the facts that we put into our own files.

    HEIC and AVIF become what vendors take.
    Raises invalid_request when they are no picture, or one that is too large.
    """
    if len(data) > limits.most_bytes:
        raise _refused(f"The source picture is larger than {limits.most_bytes / 2**20:g} MB.", SMALLER)
    try:
        if kind := heif_kind(data):
            image = opened_heif(data, kind)
            _check_size(image.size, limits)
            data = converted(image)
        data, warning = repaired(data)
        picture = Picture(data, *identify(data), warning=warning)
        _check_size((picture.width, picture.height), limits)
        turned = upright(picture)
        return replace(turned, image_bytes=without_facts(turned.image_bytes))
    except ValueError as error:
        raise _refused(f"The source picture cannot be used: {error}.", "Give a whole PNG, JPEG, WebP or GIF.") from None


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.most_pixels:
        message = (
            f"The source picture has {width}x{height} pixels; at most {limits.most_pixels / 1e6:g} million are taken."
        )
        raise _refused(message, "Scale it down first.")


def _inline(text: str, most_bytes: int) -> bytes:
    head, comma, body = text.partition(",")
    if not comma or not head.endswith(";base64") or not head.startswith("data:image/"):
        raise _refused("The data URI is not one of a picture in base64.", "Begin it with data:image/png;base64,")
    return _from_base64(body, most_bytes)


def _from_base64(text: str, most_bytes: int) -> bytes:
    if len(text) > most_bytes * 1.5:  # a third more than the bytes, and some for line breaks
        message = f"The base64 has more than {most_bytes / 2**20:g} MB."
        raise _refused(message, SMALLER)
    try:
        return base64_bytes(text)
    except ImageError:
        raise _refused("The picture is broken base64.", "Give a path or an address instead.") from None


def _refused(message: str, hint: str) -> ImageError:
    return ImageError(Reason.INVALID_REQUEST, message, hint=hint)
