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
    return _named(kind, number)


def uuid_of(id: str) -> UUID:
    """The same number as a UUID. Raises ValueError for what is no id."""
    letters = id.rpartition("_")[2]
    if len(letters) != LENGTH or not set(letters) <= set(LETTERS) or letters[0] > "7":  # 130 bits hold 128
        raise ValueError("not an id")
    number = 0
    for letter in letters:
        number = number << 5 | LETTERS.index(letter)
    return UUID(int=number)


def id_of(uuid: UUID, kind: str = "img") -> str:
    """The id with the same number."""
    return _named(kind, uuid.int)


def _named(kind: str, number: int) -> str:
    return f"{kind}_" + "".join(LETTERS[number >> 5 * place & 31] for place in reversed(range(LENGTH)))
