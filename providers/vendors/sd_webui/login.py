"""The login of a server that was started with --api-auth: HTTP Basic, from SD_WEBUI_AUTH."""

from __future__ import annotations

import base64

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import Credentials
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.sd_webui.adapter import AUTH


async def find_credentials(endpoint: Endpoint, client: httpx.AsyncClient) -> Credentials:
    """Return the login of the settings, or no header without one. Raises authentication for one without a colon."""
    login = endpoint.setting(AUTH)
    if not login:
        return Credentials(lambda _: {})
    if ":" not in login:
        raise ImageError(Reason.AUTHENTICATION, f"{AUTH} is not a login.", hint="Write it as user:password.")
    encoded = base64.b64encode(login.encode()).decode()
    return Credentials(lambda _: {"authorization": f"Basic {encoded}"}, (encoded, login.partition(":")[2]))
