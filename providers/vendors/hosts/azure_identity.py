"""Tokens of Microsoft Entra by the package azure-identity, which is imported when the first one is needed.

DefaultAzureCredential finds them: variables of a service principal, a workload's or a managed identity, or `az login`.
It keeps a token until it nearly expires, and asks for one by its own client, not by that of the vendor.
"""

from __future__ import annotations

import threading
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import Credentials
from atelier.providers.transport.wire import httpx

SCOPE = "https://cognitiveservices.azure.com/.default"
HINT = "Run `az login`, or give this machine an identity that may use the resource."
INSTALL = "Install Atelier with its extra “azure” (atelier-mcp[azure])."

found = dict[str, Any]()
"""The credential of this process, once one was needed."""
_lock = threading.Lock()


async def find_credentials(endpoint: Endpoint, client: httpx.AsyncClient) -> Credentials:
    """Return the token of this machine. Raises authentication, before anything is billed."""
    token = await anyio.to_thread.run_sync(_fetch, abandon_on_cancel=True)
    return Credentials(lambda _: {"authorization": f"Bearer {token}"}, (token,))


def _fetch() -> str:
    try:
        from azure.core.exceptions import AzureError
        from azure.identity import DefaultAzureCredential
    except ImportError:
        message = "azure-identity is not installed, which a host with that token needs."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=INSTALL) from None
    try:
        with _lock:
            if "" not in found:
                found[""] = DefaultAzureCredential()
            return found[""].get_token(SCOPE).token
    except (AzureError, OSError, ValueError) as error:
        why = sanitize(str(error).splitlines()[0] if str(error) else type(error).__name__, 160).rstrip(".")
        message = f"No token of Microsoft Entra was found ({why}); nothing was sent."
        raise ImageError(Reason.AUTHENTICATION, message, hint=HINT) from None
