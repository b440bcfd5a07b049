"""Names for jobs and pictures: in the order of time, without capitals, and each one a UUID in other letters."""

from __future__ import annotations

import secrets
import time

LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32
LENGTH = 26  # of 128 bits in base 32


def new_id(kind: str) -> str:
    """`img_` and 26 letters, say: a UUID of version 7 (RFC 9562), so that names sort by their time."""
    ms, chance = time.time_ns() // 1_000_000, secrets.randbits(74)
    number = ms << 80 | 0x7 << 76 | chance >> 62 << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    return f"{kind}_" + "".join(LETTERS[number >> 5 * place & 31] for place in reversed(range(LENGTH)))
