"""A Bedrock API key, or AWS's credentials, with which each request is signed (SigV4) by botocore.

botocore signs only: the transport sends, so that its rules against a second bill hold. botocore is imported when the
credentials are first needed, and its search for them (variables, files, the role of the machine) runs in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import anyio

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import Credentials
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.bedrock.adapter import BEARER, region_of

SERVICE = "bedrock"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
HINT = f"Set {BEARER}, AWS_ACCESS_KEY_ID with its secret, or AWS_PROFILE, or give the machine a role."


async def find_credentials(endpoint: Endpoint, client: httpx.AsyncClient) -> Credentials:
    """Return the API key, else the credentials of AWS's chain. Raises authentication, before anything is billed."""
    if token := endpoint.setting(BEARER):
        return Credentials(lambda _: {"authorization": f"Bearer {token}"}, (token,))
    given = tuple(endpoint.setting(name) for name in KEYS)
    frozen = await anyio.to_thread.run_sync(partial(_frozen, *given), abandon_on_cancel=True)
    sign = partial(_signed_headers, frozen, region_of(endpoint))
    return Credentials(sign, tuple(text for text in (frozen.secret_key, frozen.token) if text))


def _frozen(access_key: str | None, secret_key: str | None, token: str | None) -> Any:
    """Return the credentials as they are now; those of a role are renewed first when they have nearly expired."""
    from botocore.credentials import ReadOnlyCredentials  # pyright: ignore[reportMissingTypeStubs]
    from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs]

    if access_key and secret_key:
        return ReadOnlyCredentials(access_key, secret_key, token)
    try:
        found = _session().get_credentials()
        if found is not None:
            return found.get_frozen_credentials()
        why = "none were found"
    except (BotoCoreError, ClientError, OSError) as error:
        why = sanitize(error, 160).rstrip(".")
    message = f"There are no usable AWS credentials for Bedrock ({why})."
    raise ImageError(Reason.AUTHENTICATION, message, hint=HINT)


@cache
def _session() -> Any:
    """Return botocore's session, which keeps what it has found."""
    from botocore.session import Session  # pyright: ignore[reportMissingTypeStubs]

    return Session()


def _signed_headers(frozen: Any, region: str, request: httpx.Request) -> Mapping[str, str]:
    """Return the headers that sign a request as it is: host, path, body, type and time."""
    from botocore.auth import SigV4Auth  # pyright: ignore[reportMissingTypeStubs]
    from botocore.awsrequest import AWSRequest  # pyright: ignore[reportMissingTypeStubs]

    kind = {"content-type": request.headers["content-type"]}
    copy: Any = AWSRequest(request.method, str(request.url), headers=kind, data=request.content)
    SigV4Auth(frozen, SERVICE, region).add_auth(copy)  # pyright: ignore[reportUnknownMemberType]
    return dict(copy.headers.items())
