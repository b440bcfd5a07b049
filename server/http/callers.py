"""The caller over HTTP, by the claims of a token, and the name of the folder of a caller's pictures.

An identity provider chooses the claims: `auth0|12`, an address, a path. So a name is either one that means the same to
every file system and store, or the digest of the claim; two callers never share one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from atelier.providers.core.errors import strip_control

CLAIMS = ("customer_id", "sub")
"""The claims that may name the caller; the first that a token has decides."""

MAX_CALLER_CHARS = 255

PLAIN = re.compile(r"[a-z0-9][a-z0-9._@-]{0,98}[a-z0-9_@-]|[a-z0-9]")
"""Names that differ on disks without capitals too, and end in no dot, which Windows would drop."""
DIGEST = re.compile(r"sha256-[0-9a-f]{64}")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
"""What Windows takes for a device, whatever follows the dot."""


def caller_in(claims: Mapping[str, Any]) -> str | None:
    """The caller that a token names; None when it names none, or one that cannot be meant."""
    claim = next((claims[name] for name in CLAIMS if name in claims), None)
    text = str(claim) if isinstance(claim, int) and not isinstance(claim, bool) else claim
    if not isinstance(text, str) or not 0 < len(text) <= MAX_CALLER_CHARS:
        return None
    return text if text == text.strip() and text == strip_control(text) and is_customer(text) else None


def is_customer(id: str) -> bool:
    """Return whether an id may be a customer's: a number has to be above 0."""
    return not NUMBER.fullmatch(id) or Decimal(id) > 0


def name_of(caller: str) -> str:
    """Return the folder of a caller, in the output folder and in a bucket."""
    if is_plain(caller):
        return caller
    return f"sha256-{hashlib.sha256(caller.encode()).hexdigest()}"


def is_plain(caller: str) -> bool:
    """Return whether a caller's id can be the name of its folder; one that looks like a digest cannot."""
    return bool(PLAIN.fullmatch(caller)) and not DEVICES.fullmatch(caller) and not DIGEST.fullmatch(caller)


def is_name(name: str) -> bool:
    """Return whether a folder is one of a caller."""
    return bool(DIGEST.fullmatch(name)) or is_plain(name)
