"""Idempotency keys that callers choose, by the same rule over HTTP and on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from atelier.providers.core.errors import ImageError, Reason

KEY = re.compile(r"[!-~]{1,255}")


def parse_idempotency_key(given: Sequence[str], name: str) -> str | None:
    """Return the key that was given, if any. Raises invalid_request for a malformed key or for several."""
    if given and (len(given) > 1 or not KEY.fullmatch(given[0])):
        message = f"{name} is wrong: it should be one, of 1 to 255 visible ASCII characters."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="A UUID will do.")
    return given[0] if given else None
