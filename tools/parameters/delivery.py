"""Where the images of a call go: the words of `deliver`, and the older parameters that say the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.sizes import ResizeSpec, parse_resize

SIZE = re.compile(r"\d{1,5}x\d{1,5}")
LIMIT = re.compile(r"(\d{1,6})kb")
RESIZE_PARAMETERS = ("deliver_size", "deliver_fit", "deliver_max_kb")
WORDS = ("inline", "file", "both", "crop", "pad", "overwrite")


class DeliveryParameters(Protocol):
    """The parameters that `delivery_of` reads."""

    @property
    def deliver(self) -> str | None: ...
    @property
    def deliver_size(self) -> str | None: ...
    @property
    def deliver_fit(self) -> str | None: ...
    @property
    def deliver_max_kb(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where the images go.

    `store` keeps them, `inline` returns them whole in the answer. `copy` is a resized copy, and `overwrite` allows
    output_path to replace a file.
    """

    store: bool
    inline: bool
    overwrite: bool
    copy: ResizeSpec | None


def split_words(words: str) -> dict[str, Any]:
    """Return the parameters that the words stand for. Raises ValueError for an unknown word, or two of a kind."""
    found = dict[str, Any]()
    for word in words.lower().replace(",", " ").split():
        name, value = _parameter(word)
        if found.get(name, value) != value:
            raise ValueError(f"has both {found[name]} and {value}")
        found[name] = value
    return found


def _parameter(word: str) -> tuple[str, Any]:
    if SIZE.fullmatch(word):
        return "deliver_size", word
    if limit := LIMIT.fullmatch(word):
        return "deliver_max_kb", int(limit[1])
    if word in ("inline", "file", "both"):
        return "mode", word
    if word in ("crop", "pad"):
        return "deliver_fit", word
    if word == "overwrite":
        return "overwrite", True
    raise ValueError(f"must be made of {', '.join(WORDS)}, a size such as 1200x630 and a limit such as 200kb")


def delivery_of(params: DeliveryParameters, *, save: bool = True) -> Delivery:
    """Return the delivery that the parameters ask for. Raises invalid_request when they contradict one another."""
    words = split_words(params.deliver or "")
    for name in RESIZE_PARAMETERS:
        older = getattr(params, name)
        if older is not None and words.setdefault(name, older) != older:
            raise _contradiction(name)
    mode = words.get("mode") or ("file" if save else "inline")
    if not save and mode == "file":
        raise _contradiction("save")
    resize = [words.get(name) for name in RESIZE_PARAMETERS]
    copy = parse_resize(*resize) if resize != [None] * 3 else None
    return Delivery(store=mode != "inline", inline=mode != "file", overwrite="overwrite" in words, copy=copy)


def _contradiction(name: str) -> ImageError:
    message = f"“deliver” and “{name}” do not say the same."
    return ImageError(Reason.INVALID_REQUEST, message, hint=f"Leave {name} out.")
