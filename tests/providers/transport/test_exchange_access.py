"""Where a request may connect: a local server by http stays in its network."""

from __future__ import annotations

import pytest

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.exchange import resolve_allowed
from atelier.providers.transport.network.address_policy import AddressPolicy
from atelier.providers.transport.network.http_client import httpx

pytestmark = pytest.mark.anyio


LOCAL = Endpoint(base_url="http://studio.lan:7860", base_url_variable="SD_WEBUI_URL", custom=True)


async def addresses(link: str, *found: str) -> tuple[str, ...]:
    """Where a request to a local server may connect when DNS says that."""

    async def resolve(host: str, port: int) -> tuple[str, ...]:
        return found

    return await resolve_allowed(httpx.URL(link), LOCAL, AddressPolicy(resolve=resolve))


async def test_http_to_a_local_server_stays_in_the_network_that_its_name_leads_to() -> None:
    assert await addresses("http://studio.lan:7860/sdapi/v1/txt2img", "192.168.1.7") == ("192.168.1.7",)
    with pytest.raises(ImageError, match="SD_WEBUI_URL is http and leads out of the private network") as caught:
        await addresses("http://studio.lan:7860/sdapi/v1/txt2img", "93.184.216.34")
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert "use https" in caught.value.hint


async def test_https_to_a_local_server_may_lead_anywhere() -> None:
    assert await addresses("https://studio.lan:7860/sdapi/v1/txt2img", "93.184.216.34") == ()
