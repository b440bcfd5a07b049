"""Ids of jobs and assets: a kind and a UUID in lower-case base 32, sorted by time."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
LENGTH = 26  # of 128 bits in base 32


def new_id(kind: str) -> str:
    """Return a new id, such as `img_` and 26 characters: a UUID of version 7 (RFC 9562), so that ids sort by time."""
    ms, entropy = time.time_ns() // 1_000_000, secrets.randbits(74)
    number = ms << 80 | 0x7 << 76 | entropy >> 62 << 64 | 0b10 << 62 | entropy & (1 << 62) - 1
    return id_of(kind, UUID(int=number))


def id_of(kind: str, uuid: UUID) -> str:
    """Return the id of a UUID."""
    letters, number = "", uuid.int
    for _ in range(LENGTH):
        letters, number = LETTERS[number & 31] + letters, number >> 5
    return f"{kind}_{letters}"


def uuid_of(id: str) -> UUID:
    """Return the UUID of an id. Raises ValueError if it is none."""
    kind, _, letters = id.partition("_")
    number = 0
    for letter in letters:
        number = number << 5 | LETTERS.index(letter)
    uuid = UUID(int=number)
    if id_of(kind, uuid) != id:
        raise ValueError(f"{id!r} is not an id")
    return uuid


def is_id(word: str) -> bool:
    """Whether a word is an id of any kind."""
    try:
        uuid_of(word)
    except ValueError:
        return False
    return True


def time_of(uuid: UUID) -> float:
    """Return the time of a UUID of version 7, in seconds since 1970."""
    return (uuid.int >> 80) / 1000
