"""Names for jobs and pictures: in the order of time, without capitals, and each one a UUID in other letters."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
LENGTH = 26  # of 128 bits in base 32


def new_id(kind: str) -> str:
    """`img_` and 26 letters, say: a UUID of version 7 (RFC 9562), so that names sort by their time."""
    ms, chance = time.time_ns() // 1_000_000, secrets.randbits(74)
    number = ms << 80 | 0x7 << 76 | chance >> 62 << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    return id_of(kind, UUID(int=number))


def id_of(kind: str, uuid: UUID) -> str:
    """The UUID in our letters."""
    return f"{kind}_" + "".join(LETTERS[uuid.int >> 5 * place & 31] for place in reversed(range(LENGTH)))


def uuid_of(id: str) -> UUID:
    """The UUID that an id is in other letters. ValueError when it is none of ours."""
    kind, _, letters = id.partition("_")
    number = 0
    for letter in letters:
        number = number << 5 | LETTERS.index(letter)
    uuid = UUID(int=number)
    if id_of(kind, uuid) != id:
        raise ValueError(f"{id!r} is no id")
    return uuid


def is_id(word: str) -> bool:
    """Whether a word is an id of ours, of whatever kind."""
    try:
        uuid_of(word)
    except ValueError:
        return False
    return True


def time_of(uuid: UUID) -> float:
    """When a UUID of version 7 was made, in seconds since 1970."""
    return (uuid.int >> 80) / 1000
