"""The Application Default Credentials of Google Cloud, by google-auth, which is imported when they are first needed.

A token is kept until it nearly expires. google-auth's own requests go through the client of the vendor, with the same
proxies and certificates.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import Credentials
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.vertex.adapter import CREDENTIALS

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_TIMEOUT = 30.0  # seconds

found = dict[str, Any]()
"""Credentials of google-auth by the file that the settings name, empty where they name none."""
_lock = threading.Lock()

HINT = f"Run `gcloud auth application-default login`, or set {CREDENTIALS} to the file of a service account."
INSTALL = "Install Atelier with its extra “vertex” (atelier-mcp[vertex])."


async def find_credentials(endpoint: Endpoint, client: httpx.AsyncClient) -> Credentials:
    """Return the credentials of this machine. Raises authentication, before anything is billed."""
    fetch = partial(_fetch, endpoint.setting(CREDENTIALS) or "", client)
    headers = await anyio.to_thread.run_sync(fetch, abandon_on_cancel=True)
    token = headers["authorization"].partition(" ")[2]
    return Credentials(lambda _: headers, (token,))


def _fetch(file: str, client: httpx.AsyncClient) -> Mapping[str, str]:
    """Return the headers with the token; in a thread, since google-auth waits for its answers."""
    try:
        import google.auth
        from google.auth import exceptions
    except ImportError:
        message = "Vertex AI needs the package google-auth, which is not installed."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=INSTALL) from None
    send, headers = _sender(client, exceptions.TransportError), dict[str, str]()
    try:
        with _lock:
            if file not in found:
                if file:
                    os.environ[CREDENTIALS] = file  # google-auth looks nowhere else
                found[file] = google.auth.default(scopes=[SCOPE], request=send)[0]  # pyright: ignore[reportUnknownMemberType, reportArgumentType]
            credentials = found[file]
            if not credentials.valid:
                credentials.refresh(send)
            credentials.apply(headers)
    except exceptions.TransportError as error:
        message = f"Google's token server cannot be reached ({_why(error)}); nothing was sent."
        raise ImageError(Reason.NETWORK_ERROR, message, hint="Check the network and the proxy variables.") from None
    except exceptions.DefaultCredentialsError as error:
        message = f"No credentials of Google Cloud were found ({_why(error)})."
        raise ImageError(Reason.AUTHENTICATION, message, hint=HINT) from None
    except (exceptions.GoogleAuthError, OSError, ValueError) as error:
        message = f"Google does not accept the credentials of this machine ({_why(error)})."
        raise ImageError(Reason.AUTHENTICATION, message, hint=HINT) from None
    return headers


def _why(error: Exception) -> str:
    """Return why google-auth failed, without the answer of the server that may follow the message."""
    return sanitize(error.args[0] if error.args else type(error).__name__, 160).rstrip(".")


@dataclass(frozen=True, slots=True)
class _Response:
    """An answer as google-auth reads it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


def _sender(client: httpx.AsyncClient, failure: type[Exception]) -> Callable[..., _Response]:
    """Return the function by which google-auth sends a request, from its thread."""

    def send(
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Response:
        ask = partial(client.request, method, url, content=body, headers=headers, timeout=timeout or TOKEN_TIMEOUT)
        try:
            response = anyio.from_thread.run(ask)
        except (httpx.HTTPError, OSError) as error:
            raise failure(type(error).__name__) from error
        return _Response(response.status_code, response.headers, response.content)

    return send
