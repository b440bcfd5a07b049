"""The styles that a caller may use: those of its own, and those that the operator shares with every caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

import anyio

from atelier.providers.core.errors import ImageError, Reason, invalid_request, sanitize
from atelier.providers.core.gates.refusals import close_names
from atelier.providers.styles.style_file import MAX_FILE_BYTES, Style, parse_style

ENDING = ".md"
MAX_STYLES = 200  # of one place
LIST_TIMEOUT = 5.0  # seconds


class StyleFiles(Protocol):
    """The files of one place with styles: a folder, or a part of a bucket. Every method raises storage_failed."""

    async def names(self) -> list[str]:
        """Return the names of the files, sorted; none when the place does not exist."""
        ...

    async def read(self, name: str, max_bytes: int) -> bytes | None:
        """Return the bytes of a file by its name; None if there is none, or it is no file of this place.

        Raises invalid_request for a larger file.
        """
        ...

    async def write(self, name: str, data: bytes, *, overwrite: bool) -> bool:
        """Write a file. Return False, and write nothing, when it exists and `overwrite` is not set."""
        ...

    def where(self, name: str) -> str:
        """Return where a file is, in words for the caller."""
        ...


@dataclass(frozen=True, slots=True)
class FoundStyle:
    """A style, and the place of its file, beside which its reference images may be."""

    style: Style
    files: StyleFiles


@dataclass(frozen=True, slots=True)
class StyleLibrary:
    """The styles of a caller. Names are not case-sensitive; the first place that has a name decides.

    `places` are searched in this order. New styles are written to the first. A `remote` caller gets no location.
    """

    places: tuple[StyleFiles, ...] = ()
    remote: bool = False

    async def names(self) -> list[str]:
        """Return the names of all styles, sorted."""
        return sorted(await self._files())

    async def find(self, name: str | None) -> FoundStyle | None:
        """Return the style of that name, or None. Raises invalid_request for a file that is damaged.

        While the styles cannot be read there is none: a preset of a model works without them. `suggestion` raises then.
        """
        if not (name and self.places):
            return None
        try:
            entry = (await self._files()).get(name.lower())
            return await _read(*entry) if entry else None
        except ImageError as error:
            if error.reason is not Reason.STORAGE_FAILED:
                raise
            return None

    async def all(self, word: str = "") -> list[tuple[str, Style | ImageError]]:
        """Return every style by its name, or why it cannot be used; with `word` those that have it."""
        found = list[tuple[str, Style | ImageError]]()
        for name, entry in sorted((await self._files()).items()):
            try:
                read = await _read(*entry)
                style = read.style if read else None
            except ImageError as error:
                style = error
            text = f"{name} {style.text}" if isinstance(style, Style) else name
            if style and word.lower() in text.lower():
                found.append((name, style))
        return found

    async def save(self, name: str, text: str, *, overwrite: bool) -> str:
        """Write a new style and return where it is, in words. Raises invalid_request when a style has that name.

        With `overwrite` it replaces one of the first place.
        """
        if not self.places:
            raise invalid_request("There is no place for styles here.", "Leave save_style out.")
        own, file = self.places[0], f"{name}{ENDING}"
        taken = (await self._files()).get(name)
        if taken and taken[0] is own:
            file = taken[1]
        elif len(await own.names()) >= MAX_STYLES:
            message = f"There are {MAX_STYLES} files among your styles, and no more are taken."
            raise invalid_request(message, "Replace one, or have some removed.")
        if (taken and not overwrite) or not await own.write(file, text.encode(), overwrite=overwrite):
            message = f"There is a style “{name}”."
            raise invalid_request(message, "Choose another name, or add overwrite to `deliver` to replace it.")
        return "" if self.remote else own.where(file)

    async def suggestion(self, name: str) -> str:
        """Return a hint with the styles whose names are near, else with all. Raises storage_failed."""
        names = await self.names()
        if not names:
            return "The style library is empty."
        near = close_names(name.lower(), names)
        shown = ", ".join(f"“{sanitize(each, 60)}”" for each in near or names[:10])
        return f"Styles of the library{' with a similar name' if near else ''}: {shown}."

    async def _files(self) -> dict[str, tuple[StyleFiles, str]]:
        """Return place and file name of each style by the style's name. Raises storage_failed."""
        found = dict[str, tuple[StyleFiles, str]]()
        try:
            with anyio.fail_after(LIST_TIMEOUT):
                for place in reversed(self.places):
                    files = [name for name in await place.names() if _is_style(name)]
                    found |= {name[: -len(ENDING)].lower(): (place, name) for name in files[:MAX_STYLES]}
        except TimeoutError:
            message = f"The storage did not list the styles within {LIST_TIMEOUT:g} seconds."
            raise ImageError(Reason.STORAGE_FAILED, message, hint="Try again later.") from None
        return found


NO_STYLES = StyleLibrary()

Styles = Callable[[], StyleLibrary]
"""Returns the styles that a caller may use; called only where a style is named."""


def _is_style(file: str) -> bool:
    path = PurePosixPath(file)
    return path.suffix.lower() == ENDING and path.stem.lower() != "readme" and not file.startswith(".")


async def _read(files: StyleFiles, file: str) -> FoundStyle | None:
    name = file[: -len(ENDING)].lower()
    data = await files.read(file, MAX_FILE_BYTES)
    return FoundStyle(parse_style(name, data), files) if data is not None else None
