"""Source pictures: from an id, `last`, an allowed path or a data URI to bytes that were looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

import anyio

from atelier.providers.core.answers import base64_bytes
from atelier.providers.core.errors import ImageError, Reason, quoted
from atelier.providers.core.images import sniff
from atelier.providers.core.types import Picture

MOST_BYTES = 25 * 2**20
MOST_PIXELS = 40_000_000  # a decompression bomb claims more
MOST_INLINE = 2**20  # bytes of a data URI: a model would have to write them out
ASSET = re.compile(r"img_[0-9a-z]{26}")
FORMS = "Give an asset id, “last”, the path of a file in an allowed folder, or a small data: URI."


@dataclass(frozen=True, slots=True)
class Asset:
    """A kept picture with the record of how it came to be."""

    id: str
    image_bytes: bytes = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)


class Shelf(Protocol):
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
    """How words become pictures. `folders` are those that may be read from; none means that no path may."""

    shelf: Shelf | None = None
    folders: tuple[Path, ...] = ()

    async def read(self, words: str) -> Found:
        """The picture that some words name. Raises invalid_request or not_found, with the forms that work."""
        text = words.strip()
        asset = ASSET.fullmatch(text.removeprefix("image://assets/"))
        if text == "last" or asset:
            return await self._kept(asset[0] if asset else None)
        if text.startswith("data:"):
            return Found(source(_inline(text)))
        if text.startswith(("http://", "https://")):
            raise _refused("Pictures are not fetched from the web by this version.", "Download it and give its path.")
        if text.startswith(("/", "~", "file:", "\\")) or re.match(r"[A-Za-z]:[\\/]", text):
            return Found(source(await anyio.to_thread.run_sync(self._file, _path(text))))
        shown = f" (“{quoted(text)}”)" if len(text) < 60 else ""
        raise _refused(f"This{shown} does not name a picture.", FORMS)

    async def _kept(self, id: str | None) -> Found:
        last = "" if id or not self.shelf else next((kept["id"] for kept in await self.shelf.newest()), "")
        asset = await self.shelf.get(id or last) if self.shelf and (id or last) else None
        if asset is None:
            what = f"There is no picture {id}." if id else "There is no picture yet that could be the last one."
            raise ImageError(Reason.NOT_FOUND, what, hint=FORMS)
        return Found(source(asset.image_bytes), asset.id, asset.record.get("provider"))

    def _file(self, path: Path) -> bytes:
        """The bytes of a file in an allowed folder, judged by where it really is: links are followed first."""
        try:
            real = path.resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            real = None
        if real is None or not any(real.is_relative_to(folder.resolve()) for folder in self.folders):
            # one answer for both, so that nobody can find out which files exist
            hint = "Give a file that exists in the output folder or in one that ATELIER_INPUT_DIRS names."
            raise _refused("There is no such picture in an allowed folder.", hint)
        try:
            if not real.is_file() or real.stat().st_size > MOST_BYTES:
                raise _refused(f"The source is no file of up to {MOST_BYTES // 2**20} MB.", "Give a smaller one.")
            return real.read_bytes()
        except OSError:
            raise _refused("The source file cannot be read.", "Check its permissions.") from None


def source(data: bytes) -> Picture:
    """Bytes that a caller gave -> Picture; invalid_request when they are none or too many."""
    if len(data) > MOST_BYTES:
        raise _refused(f"The source picture is larger than {MOST_BYTES // 2**20} MB.", "Scale it down first.")
    try:
        format, width, height = sniff(data)
    except ValueError as error:
        raise _refused(f"The source picture cannot be used: {error}.", "Give a whole PNG, JPEG, WebP or GIF.") from None
    if width * height > MOST_PIXELS:
        message = f"The source picture has {width}x{height} pixels; at most {MOST_PIXELS // 10**6} million are taken."
        raise _refused(message, "Scale it down first.")
    return Picture(data, format, width, height)


def _inline(text: str) -> bytes:
    head, comma, body = text.partition(",")
    if not comma or not head.endswith(";base64") or not head.startswith("data:image/"):
        raise _refused("The data URI is not one of a picture in base64.", "Begin it with data:image/png;base64,")
    if len(body) * 3 // 4 > MOST_INLINE:
        raise _refused(f"The data URI has more than {MOST_INLINE // 2**20} MB.", "Give a path instead.")
    try:
        return base64_bytes(body)
    except ImageError:
        raise _refused("The data URI is broken base64.", FORMS) from None


def _path(text: str) -> Path:
    """The path that some words mean; one of nobody's home leads nowhere."""
    try:
        return Path(url2pathname(urlsplit(text).path)) if text.startswith("file:") else Path(text).expanduser()
    except (ValueError, RuntimeError):
        return Path("\0")


def _refused(message: str, hint: str) -> ImageError:
    return ImageError(Reason.INVALID_REQUEST, message, hint=hint)
