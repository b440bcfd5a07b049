"""Idempotency keys: a caller's own name for a call, by the same rule over HTTP and on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atelier.providers.core.errors import ImageError, Reason

KEY = re.compile(r"[!-~]{1,255}")


def key_of(said: Sequence[str], name: str) -> str | None:
    """The key that was said, if any. Raises invalid_request for one that is none, or for several."""
    if said and (len(said) > 1 or not KEY.fullmatch(said[0])):
        message = f"{name} is wrong: it should be one, of 1 to 255 visible ASCII characters."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="A UUID will do.")
    return said[0] if said else None
