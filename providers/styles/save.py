"""Write a style from an image that was made: its prompt, model and shape, with the image as its reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import gcd
from typing import Any

from atelier.providers.images.asset_storage import Asset
from atelier.providers.styles.apply import ABOUT_REFERENCES, AVOID, COLOURS, STYLE
from atelier.providers.styles.library import StyleLibrary
from atelier.providers.styles.style_file import MAX_WORDS, style_text

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]|readme")
"""Names that Windows takes for devices, and the file that is no style."""

MAX_RATIO = 32  # of either part; other shapes are those of a size in pixels
DRAFTS = "sketch"  # the built-in vendor, whose drafts a style must not pin


def checked_name(value: str | None) -> str | None:
    """Return a name that every file system and store takes. Raises ValueError for another one."""
    name = value.strip().lower() if value else None
    if name and (not NAME.fullmatch(name) or RESERVED.fullmatch(name)):
        raise ValueError("must be a name of letters, digits, - and _, such as film-noir")
    return name


async def save_style(name: str, asset: Asset, library: StyleLibrary, *, overwrite: bool) -> str:
    """Write the style of an image, and return a note that says so. Raises invalid_request for a name that is taken."""
    record = asset.record
    words, palette, avoid = _look(record)
    settings: dict[str, Any] = {
        "model": _model(record),
        "avoid": avoid,
        "palette": palette,
        "images": [asset.id],
        "aspect_ratio": _aspect_ratio(record),
        "quality": _requested_options(record).get("quality"),
    }
    place = await library.save(name, style_text(settings, words[:MAX_WORDS]), overwrite=overwrite)
    where = f" ({place})" if place else ""
    return f"Saved as the style “{name}”{where}, with the image as its reference; shorten its text to the look alone."


def _look(record: Mapping[str, Any]) -> tuple[str, list[str], list[str]]:
    """Return the words, the colours and what to avoid of an image.

    What another style added to its prompt is taken apart again, so that the new style has each of it once.
    """
    words, palette = list[str](), list[str]()
    avoid = [record["negative_prompt"]] if record.get("negative_prompt") else list[str]()
    for paragraph in str(record.get("prompt") or "").split("\n\n"):
        if ABOUT_REFERENCES in paragraph:
            continue
        if not record.get("style"):
            words.append(paragraph)
        elif paragraph.startswith(COLOURS):
            palette += paragraph.removeprefix(COLOURS).removesuffix(".").split(", ")
        elif paragraph.startswith(AVOID):
            avoid += paragraph.removeprefix(AVOID).removesuffix(".").split(", ")
        else:
            words.append(paragraph.removeprefix(STYLE))
    return "\n\n".join(dict.fromkeys(words)), list(dict.fromkeys(palette)), list(dict.fromkeys(avoid))


def _requested_options(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options as they were requested; an upload has none."""
    options: Mapping[str, Any] = record.get("asked") or {}
    return options


def _model(record: Mapping[str, Any]) -> str | None:
    provider, model = record.get("provider"), record.get("model")
    return f"{provider}/{model}" if provider and model and provider != DRAFTS else None


def _aspect_ratio(record: Mapping[str, Any]) -> str | None:
    """Return the requested ratio, else that of the image if it is a common one."""
    if requested := _requested_options(record).get("aspect_ratio"):
        return str(requested)
    width, height = int(record.get("width") or 0), int(record.get("height") or 0)
    if not (width and height):
        return None
    width, height = width // gcd(width, height), height // gcd(width, height)
    return f"{width}:{height}" if max(width, height) <= MAX_RATIO else None
