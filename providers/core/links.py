"""Our own links back to the ids of the pictures they lead to, so that nothing is fetched that we have."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit
from uuid import UUID

from atelier.providers.core.ids import id_of

OURS = re.compile(r"(?:.*/)?customers/(?P<customer>[^/]+)/assets/image/(?P<uuid>[0-9a-f-]{36})\.[a-z]{3,4}")
"""The path of a stored picture in a bucket or behind a public address, as the product's seed fixes it."""

OwnLink = Callable[[str], str | None]
"""From a link to the id of the picture of ours that it leads to; None for a stranger's."""


def strangers(words: str) -> str | None:
    """Nothing is ours: the rule of who has no links of their own."""
    return None


def own_links(bases: tuple[str, ...], customer: str) -> OwnLink:
    """What recognises the links of one customer: those below one of some addresses, such as a bucket's.

    A link of another customer is a stranger's like any other, and what it leads to is not looked up.
    """
    roots = tuple(root for base in bases if (root := _root(base)))

    def own(words: str) -> str | None:
        try:
            parts = urlsplit(words)
            place = (parts.scheme.lower(), parts.netloc.lower(), unquote(parts.path, errors="strict"))
        except ValueError:
            return None
        for scheme, netloc, path in roots:
            found = OURS.fullmatch(place[2].removeprefix(path).lstrip("/"))
            if place[:2] == (scheme, netloc) and place[2].startswith(path) and found and found["customer"] == customer:
                try:
                    return id_of(UUID(found["uuid"]))
                except ValueError:
                    return None
        return None

    return own


def _root(base: str) -> tuple[str, str, str] | None:
    parts = urlsplit(base)
    return (parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/") + "/") if parts.netloc else None
