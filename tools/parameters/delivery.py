"""The words of the parameter `deliver`: where the images of a call go, and in which copy."""

from __future__ import annotations

import re
from typing import Any

SIZE = re.compile(r"\d{1,5}x\d{1,5}")
LIMIT = re.compile(r"(\d{1,6})kb")
WORDS = ("inline", "file", "both", "crop", "pad", "overwrite")


def split_words(words: str) -> dict[str, Any]:
    """Return the parameters that the words stand for. Raises ValueError for an unknown word, or two of a kind."""
    found = dict[str, Any]()
    for word in words.lower().replace(",", " ").split():
        name, value = _parameter(word)
        if found.get(name, value) != value:
            raise ValueError(f"has both {found[name]} and {value}")
        found[name] = value
    return found


def checked_words(words: str | None) -> str | None:
    """Return the words. Raises ValueError as `split_words` does."""
    split_words(words or "")
    return words


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
