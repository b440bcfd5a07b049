"""Who calls over HTTP, by the claims of a token, and the name under which a caller's pictures are kept.

Claims are an identity provider's words: `auth0|12`, an address, a path. So a name is either one that means the same to
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

LONGEST = 255  # characters of a claim

PLAIN = re.compile(r"[a-z0-9][a-z0-9._@-]{0,98}[a-z0-9_@-]|[a-z0-9]")
"""Names that differ on disks without capitals too, and end in no dot, which Windows would drop."""
DIGEST = re.compile(r"sha256-[0-9a-f]{64}")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
"""What Windows takes for a device, whatever follows the dot."""


def caller_in(claims: Mapping[str, Any]) -> str | None:
    """The caller that a token names; None when it names none, or one that cannot be meant."""
    said = next((claims[name] for name in CLAIMS if name in claims), None)
    text = str(said) if isinstance(said, int) and not isinstance(said, bool) else said
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        return None
    return text if text == text.strip() and text == strip_control(text) and is_customer(text) else None


def is_customer(id: str) -> bool:
    """Whether an id may be a customer's: one that is a number is above 0."""
    return not NUMBER.fullmatch(id) or Decimal(id) > 0


def name_of(caller: str) -> str:
    """The folder of a caller, and its place in a bucket."""
    if is_plain(caller):
        return caller
    return f"sha256-{hashlib.sha256(caller.encode()).hexdigest()}"


def is_plain(caller: str) -> bool:
    """Whether a caller can be its own folder; one that looks like a digest cannot."""
    return bool(PLAIN.fullmatch(caller)) and not DEVICES.fullmatch(caller) and not DIGEST.fullmatch(caller)


def is_name(name: str) -> bool:
    """Whether a folder is one of a caller."""
    return bool(DIGEST.fullmatch(name)) or is_plain(name)
