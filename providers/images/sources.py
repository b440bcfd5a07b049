"""Read source images: an asset id, `last`, a link, an allowed path, base64 or a data URI becomes a checked Picture.

A new way to name an image is one more branch in `SourceReader.read`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError, Reason, invalid_request, sanitize
from atelier.providers.core.types import Picture
from atelier.providers.images.allowed_files import (
    PATH,
    AmbiguousNameError,
    OutsideFoldersError,
    asset_in,
    candidate_paths,
    display_path,
    find_similar_name,
    is_inside,
    read_file,
    strip_quotes,
)
from atelier.providers.images.asset_storage import Asset, AssetReader
from atelier.providers.images.decode import rotate_upright
from atelier.providers.images.identify import identify
from atelier.providers.images.provenance import read as read_facts
from atelier.providers.images.provenance import without_facts
from atelier.providers.images.repair import convert_heif, heif_kind, open_heif, repair
from atelier.providers.transport.network.web_fetch import WebFetcher
from atelier.providers.transport.vendor_json import base64_bytes, is_data_uri

ASSET = re.compile(r"img_[0-9a-z]{26}")
INLINE = re.compile(r"data:(image/[^,;]*|application/octet-stream)?(;[^,]*)?;base64", re.IGNORECASE)
BASE64 = re.compile(
    r"[A-Za-z0-9+][A-Za-z0-9+/_-]{63,}[=\s]*\Z|iVBORw0KGgo|/9j/[A-Za-z0-9+/]{12}|UklGR[A-Za-z0-9+/]{8}|R0lGOD[a-z]"
    r"|AAAA[A-Za-z0-9+/]GZ0eXB"
)
"""How a base64 image begins: any long base64 text, or the first letters of a PNG, JPEG, WebP, GIF and HEIC."""

RECOGNITION_TIMEOUT = 3.0  # seconds to find out whether the bytes are those of an asset
MAX_RECORDS_SEARCHED = 25  # one call stores at most ten images and their ten resized copies

SIZE_HINT = "Scale it down first, or ask the operator to raise ATELIER_SOURCE_MAX_MB."
FOLDERS_HINT = "Allowed are the output folder and the folders that ATELIER_INPUT_DIRS names."

OwnLinkResolver = Callable[[str], str | None]
"""From a link to the id of the asset that it names, without fetching it; None for a link to another site."""


def no_own_links(url: str) -> str | None:
    """Return None: the default for a storage without links."""
    return None


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """The maximum size of a source image; the limit of pixels stops decompression bombs."""

    max_bytes: int = 25 * 2**20
    max_pixels: int = 40_000_000


@dataclass(frozen=True, slots=True)
class SourceImage:
    """A source image; `id`, `provider` and `vendor_image` are those of the asset, if it is one."""

    picture: Picture
    id: str | None = None
    provider: str | None = None
    vendor_image: str | None = None


@dataclass(frozen=True, slots=True)
class SourceReader:
    """Reads the source images that a caller names. Paths are allowed inside `folders` only.

    `own_link` recognises links of the storage, whose assets are read directly. `web` fetches all other links, without a
    key. `upload_hint` says where an image can be uploaded; empty where it cannot.
    """

    assets: AssetReader | None = None
    folders: tuple[Path, ...] = ()
    web: WebFetcher = field(default_factory=WebFetcher)
    own_link: OwnLinkResolver = no_own_links
    limits: SourceLimits = SourceLimits()
    upload_hint: Callable[[], str] = str

    async def read(self, name: str) -> SourceImage:
        """Return the image that `name` names.

        Raises invalid_request or not_found with the forms that work, and for a link timeout or network_error too.
        """
        text = strip_quotes(name.strip())
        asset = ASSET.fullmatch(text.removeprefix("image://assets/"))
        if text.lower() == "last" or asset:
            return await self._stored(asset[0] if asset else None)
        if is_data_uri(text):
            return await self._recognised(_inline(text, self.limits.max_bytes))
        if text.lower().startswith(("http://", "https://")):
            if id := self.own_link(text):
                return await self._stored(id)
            return await self._recognised(await self.web.fetch(text, self.limits.max_bytes))
        if BASE64.match(text):
            return await self._recognised(_from_base64(text, self.limits.max_bytes))
        if PATH.match(text):
            file, data = await anyio.to_thread.run_sync(self._file, text)
            found = await self._recognised(data, Path(file).stem)
            return replace(found, picture=replace(found.picture, name=file))
        if id := asset_in(text):
            return await self._stored(id)
        named = f" (“{sanitize(text)}”)" if len(text) < 60 else ""
        raise invalid_request(f"This{named} does not name an image.", self.forms)

    @property
    def forms(self) -> str:
        """A hint with the ways to name an image that work here."""
        path, upload = "the full path of a file in an allowed folder, " if self.folders else "", self.upload_hint()
        return f"Give an asset id, “last”, a public https address, {path}or its bytes as base64 or a data: URI.{upload}"

    async def _stored(self, id: str | None) -> SourceImage:
        asset = None
        try:
            with anyio.fail_after(self.web.seconds):  # the same as for a link
                wanted = id or (await newest_asset_id(self.assets) if self.assets else None)
                asset = await self.assets.get(wanted) if self.assets and wanted else None
        except TimeoutError:
            message = f"The storage did not return the image within {self.web.seconds:g} seconds."
            raise ImageError(Reason.STORAGE_FAILED, message, hint="Try again later.") from None
        if asset is None:
            message = f"There is no image {id}." if id else "There is no image yet that “last” could mean."
            raise ImageError(Reason.NOT_FOUND, message, hint=self.forms)
        return await self._found(asset.image_bytes, asset)

    async def _recognised(self, data: bytes, name: str = "") -> SourceImage:
        """Return a source image, that of a stored asset if its bytes are equal: the result then records its parent."""
        # the id is taken from the facts in the file, else from the file's name; comparing the bytes decides
        found = await self._found(data)
        id = str((await run_on_processor(read_facts, data) or {}).get("id") or name)
        if self.assets and ASSET.fullmatch(id):
            with suppress(ImageError), anyio.move_on_after(RECOGNITION_TIMEOUT):
                asset = await self.assets.get(id)
                if asset and asset.image_bytes == data:
                    return await self._found(data, asset)
        return found

    async def _found(self, data: bytes, asset: Asset | None = None) -> SourceImage:
        found = SourceImage(await run_on_processor(normalise_source, data, self.limits))
        known = {name: asset.record.get(name) for name in ("provider", "vendor_image")} if asset else {}
        return replace(found, id=asset and asset.id, **known)

    def _file(self, text: str) -> tuple[str, bytes]:
        """Return name and bytes of a file in an allowed folder; an exact name wins over a similar one."""
        if not self.folders:
            raise invalid_request("Paths are not allowed here.", self.forms)
        paths = candidate_paths(text)
        try:
            for path in paths:
                with suppress(OutsideFoldersError):
                    return path.name, read_file(path, self.folders, self.limits.max_bytes)
            for path in paths:
                with suppress(OutsideFoldersError):
                    near = find_similar_name(path, self.folders)
                    return near.name, read_file(near, self.folders, self.limits.max_bytes)
        except AmbiguousNameError:
            message = f"Several files match “{display_path(text)}”."
            hint = "Their names differ only in the kind of space or in how accents are written. Rename all but one."
            raise invalid_request(message, hint) from None
        except ValueError as error:
            raise invalid_request(f"The source {error}.", "Give an image file, or a smaller one.") from None
        except OSError:
            raise invalid_request("The source file cannot be read.", "Check its permissions.") from None
        if any(is_inside(path, self.folders) for path in paths):
            raise invalid_request(f"There is no file at “{display_path(text)}”.", f"Check its name. {FOLDERS_HINT}")
        # the same error whether the file exists or not, so that a caller cannot probe for files
        raise invalid_request("The path is not in an allowed folder.", FOLDERS_HINT)


async def newest_asset_id(assets: AssetReader) -> str | None:
    """Return the id of the newest image that is not a resized copy."""
    records = await assets.newest(MAX_RECORDS_SEARCHED)
    return next((str(record["id"]) for record in records if record.get("operation") != "deliver"), None)


def normalise_source(data: bytes, limits: SourceLimits = SourceLimits()) -> Picture:
    """Return a caller's bytes as a Picture: upright, without Atelier's facts, HEIC and AVIF converted.

    Raises invalid_request when the bytes are no image, or one that is too large.
    """
    if len(data) > limits.max_bytes:
        raise invalid_request(f"The source image is larger than {limits.max_bytes / 2**20:g} MB.", SIZE_HINT)
    try:
        if kind := heif_kind(data):
            image = open_heif(data, kind)
            _check_size(image.size, limits)
            data = convert_heif(image)
        data, warning = repair(data)
        picture = Picture(data, *identify(data), warning=warning)
        _check_size((picture.width, picture.height), limits)
        turned = rotate_upright(picture)
        return replace(turned, image_bytes=without_facts(turned.image_bytes))
    except ValueError as error:
        raise invalid_request(
            f"The source image cannot be used: {error}.", "Give a whole PNG, JPEG, WebP or GIF."
        ) from None


def _check_size(size: tuple[int, int], limits: SourceLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        limit = f"{limits.max_pixels / 1e6:g} million"
        message = f"The source image has {width}x{height} pixels; at most {limit} are allowed."
        raise invalid_request(message, "Scale it down first.")


def _inline(text: str, max_bytes: int) -> bytes:
    head, comma, _ = text.partition(",")
    if not comma or not INLINE.fullmatch(head):
        raise invalid_request("The data URI does not hold an image in base64.", "Begin it with data:image/png;base64,")
    return _from_base64(text, max_bytes)


def _from_base64(text: str, max_bytes: int) -> bytes:
    if len(text) > max_bytes * 1.5:  # base64 adds a third, and line breaks
        raise invalid_request(f"The base64 is larger than {max_bytes / 2**20:g} MB.", SIZE_HINT)
    try:
        return base64_bytes(text)
    except ImageError:
        raise invalid_request("The image is broken base64.", "Give a path or an address instead.") from None
