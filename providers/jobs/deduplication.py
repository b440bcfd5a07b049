"""Recognise equal requests: fingerprints, and idempotency keys."""

from __future__ import annotations

import hashlib
import json

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.sizes import parse_size
from atelier.providers.jobs.stored_outcome import encode_request
from atelier.providers.pipeline.admit import PricedRequest
from atelier.providers.pipeline.job_store import CallIdentity

AUTO_FIELDS = ("size", "quality", "background")
"""Fields in which "auto" means the same as leaving the field out."""

TEXT_FIELDS = ("prompt", "negative_prompt")
"""Fields in which surrounding space makes no difference."""


def fingerprint(priced: PricedRequest, inline: bool, home: str = "") -> str:
    """Return a hash that is equal for equal requests: the same options, source content and kind of delivery."""
    request = priced.job.request
    pictures = [*request.sources, *([request.mask] if request.mask else [])]
    content = [hashlib.sha256(each.image_bytes).hexdigest() for each in pictures]
    identity = {**encode_request(priced), "pictures": content, "masked": bool(request.mask), "inline": inline,
            "home": home}  # fmt: skip
    identity.pop("origin", None)  # where a source came from makes no difference
    identity.pop("vendor_image", None)
    identity = {
        name: value for name, value in identity.items() if name not in AUTO_FIELDS or value != "auto"
    }  # as when left out
    if size := parse_size(str(identity.get("size"))):
        identity["size"] = size
    identity |= {name: str(identity[name]).strip() for name in TEXT_FIELDS if name in identity}
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()


def key_hash(key: str) -> str:
    """Return the hash by which an idempotency key, or the text of its call, is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def check_key(identity: CallIdentity, other: str | None) -> None:
    """Raise invalid_request if a key was used for another request. `other` is the fingerprint of the earlier one."""
    if identity.key and other is not None and other != identity.fingerprint:
        message = "This idempotency key was used for another request in the last 24 hours."
        hint = "Give every request its own key."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint, facts={"key": "taken"})
