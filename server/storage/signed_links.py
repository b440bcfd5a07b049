"""Signed links of limited life, which need no token: to an image, and to a page that takes one upload.

A link names its owner (the folder of a caller's images), the asset and its end, and carries an HMAC of them (RFC 2104).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from urllib.parse import urlencode

from atelier.providers.core.errors import ImageError, Reason
from atelier.server.settings import Settings
from atelier.server.settings.fields import LINK_SECRET

MIN_SECRET_BYTES = 32
SIGNATURE_BYTES = 16
UPLOAD_TTL = 3600  # seconds


class Kind(StrEnum):
    """What a link leads to, which is the first part of its path."""

    IMAGE = "i"
    UPLOAD = "upload"


class LinkState(StrEnum):
    """What a link is worth."""

    VALID = "valid"
    EXPIRED = "expired"
    WRONG = "wrong"


class SignedLinks:
    """Makes and checks links. `find_key` is called when the first one is needed; `ttl` is seconds."""

    def __init__(self, find_key: Callable[[], bytes], ttl: int, clock: Callable[[], float] = time.time) -> None:
        self._find_key = find_key
        self._ttl = {Kind.IMAGE: ttl, Kind.UPLOAD: UPLOAD_TTL}
        self._clock = clock

    @cached_property
    def key(self) -> bytes:
        """The key that signs them. Raises storage_failed where it can be neither read nor written."""
        return self._find_key()

    def path(self, kind: Kind, owner: str, id: str) -> str:
        """Return the path and query of a new link."""
        expires = self.expiry(kind)
        return f"/{kind}/{id}?{urlencode({'e': expires, 'c': owner, 's': self._signature(kind, owner, id, expires)})}"

    def expiry(self, kind: Kind) -> int:
        """Return when a link ends that is made now, in seconds since 1970."""
        return int(self._clock()) + self._ttl[kind]

    def state(self, kind: Kind, id: str, owner: str, expires: int, signature: str) -> LinkState:
        """Return whether a link is as it was made, and still alive."""
        expected = self._signature(kind, owner, id, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
            return LinkState.WRONG
        return LinkState.VALID if self._clock() < expires else LinkState.EXPIRED

    def _signature(self, kind: Kind, owner: str, id: str, expires: int) -> str:
        message = "\0".join((kind, owner, id, str(expires)))
        digest = hmac.digest(self.key, message.encode(errors="replace"), hashlib.sha256)
        return urlsafe_b64encode(digest[:SIGNATURE_BYTES]).decode().rstrip("=")


def signed_links_of(settings: Settings) -> SignedLinks:
    """Return the links of these settings. Raises invalid_request for a secret that is too short; does no I/O."""
    secret = settings.lookup(LINK_SECRET)
    if secret is None:
        return SignedLinks(lambda: _stored_key(settings.state / "link-secret"), settings.link_ttl)
    if len(secret.encode()) < MIN_SECRET_BYTES:
        message = f"{LINK_SECRET} is too short: it should have at least {MIN_SECRET_BYTES} bytes."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Make one with: openssl rand -hex 32")
    return SignedLinks(lambda: secret.encode(), settings.link_ttl)


def _stored_key(file: Path) -> bytes:
    """Return the key in a file, which is created with a random one for its owner only."""
    from filelock import FileLock  # which takes a while to import, and few servers sign links

    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(file.with_suffix(".lock"), thread_local=False, mode=0o600):
            if not file.exists() or file.stat().st_size < MIN_SECRET_BYTES:  # the process that wrote it was killed
                with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
                    opened.write(secrets.token_bytes(MIN_SECRET_BYTES))
            return file.read_bytes()
    except OSError as error:
        message = f"The file {file} cannot be used ({error.strerror or type(error).__name__})."
        hint = f"Set {LINK_SECRET}, or ATELIER_STATE_DIR to a folder that can be written."
        raise ImageError(Reason.STORAGE_FAILED, message, hint=hint, facts={"trouble": "disk"}) from None
