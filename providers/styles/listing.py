"""The styles of the library as lists have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

from atelier.providers.core.errors import ImageError
from atelier.providers.styles.library import StyleLibrary
from atelier.providers.styles.style_file import Style

ALL = "styles"
MAX_NAMES_BYTES = 300  # of the names in a list of models
MAX_DESCRIBED = 20  # styles in one answer


class StyleData(BaseModel):
    """One style of the library."""

    name: str
    description: str | None = None
    model: str | None = None
    images: Annotated[int | None, Field(description="Reference images.")] = None
    error: Annotated[str | None, Field(description="Why it cannot be used.")] = None


async def styles_of(library: StyleLibrary, word: str = "") -> list[StyleData]:
    """Return the styles of the library; with `word` those that have it in their name or file."""
    return [_style(name, style) for name, style in await library.all(word)]


def _style(name: str, style: Style | ImageError) -> StyleData:
    if isinstance(style, ImageError):
        return StyleData(name=name, error=style.message)
    settings = style.settings
    return StyleData(name=name, description=style.summary, model=settings.model, images=len(settings.images) or None)


def style_line(style: StyleData) -> str:
    """Return a style as a line of a list."""
    images = f"{style.images} reference image{'' if style.images == 1 else 's'}" if style.images else None
    about = ", ".join(filter(None, (style.model, images)))
    return f"- {style.name}: {style.error or style.description}{f' ({about})' if about else ''}"


@dataclass(frozen=True, slots=True)
class ListedStyles:
    """Styles beside a list of models, or alone in its place."""

    styles: list[StyleData]
    lines: list[str]
    alone: bool

    def text(self, models: str) -> str:
        """Return the text of the list."""
        return "\n".join([*([] if self.alone and self.styles else [models]), *self.lines])

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the structured part that the styles set."""
        summary = {"summary": self.lines[0]} if self.alone and self.styles else {}
        return {"styles": self.styles, **summary} if self.styles else {}


async def listed_styles(library: StyleLibrary, word: str | None) -> ListedStyles:
    """Return the names of the styles, or with a word those that have it; the word ALL means every style, alone.

    A library that cannot be read has none.
    """
    alone = word is not None and word.strip().lower() == ALL
    try:
        if word is None:
            return _named(await library.names())
        found = await styles_of(library, "" if alone else word)
    except ImageError:
        return ListedStyles([], [], alone=False)
    shown, more = found[:MAX_DESCRIBED], len(found) - MAX_DESCRIBED
    count = f"{len(found)} style{'' if len(found) == 1 else 's'} of the library, for the parameter style:"
    rest = [f"and {more} more"] if more > 0 else []
    return ListedStyles(shown, [count, *map(style_line, shown), *rest] if found else [], alone)


def _named(names: list[str]) -> ListedStyles:
    """Return as many names as fit."""
    shown = list(names)
    while len(", ".join(shown).encode()) > MAX_NAMES_BYTES:
        shown.pop()
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    line = f"Styles of the library: {', '.join(shown)}{more} (word={ALL} describes them)."
    return ListedStyles([StyleData(name=name) for name in shown], [line] if names else [], alone=False)
