"""The key of fal: FAL_KEY, or FAL_KEY_ID and FAL_KEY_SECRET joined by a colon, as the vendor's client reads them."""

from __future__ import annotations

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import Credentials
from atelier.providers.transport.wire import httpx

KEY, KEY_ID, KEY_SECRET = "FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"


async def find_credentials(endpoint: Endpoint, client: httpx.AsyncClient) -> Credentials:
    """Return the key of the variables in use. Raises authentication for an id without its secret."""
    if not endpoint.key_variables[0].endswith(KEY_ID):
        key = endpoint.setting(KEY) or ""
        return Credentials(lambda _: {"authorization": f"Key {key}"}, (key,))
    id, secret = endpoint.setting(KEY_ID) or "", endpoint.setting(KEY_SECRET) or ""
    if not secret or not (secret.isascii() and secret.isprintable() and " " not in secret):
        message = (
            f"{KEY_SECRET} {'does not hold the secret of a key' if secret else 'is not set, but ' + KEY_ID + ' is'}."
        )
        raise ImageError(Reason.AUTHENTICATION, message, hint=f"Set both, or {KEY} alone.")
    return Credentials(lambda _: {"authorization": f"Key {id}:{secret}"}, (secret,))
