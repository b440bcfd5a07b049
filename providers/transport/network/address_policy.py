"""From a link to a machine: the name is looked up once, every answer is judged, and the request is nailed to one.

Whoever looked the name up again for the connection could be told another address than the one that was judged (DNS
rebinding). So the address goes into the request, and the name stays in its Host header and in TLS, where the
certificate is checked against it.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from atelier.providers.transport.network import ssrf_guard
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.network.proxies import uses_proxy
from atelier.providers.transport.network.ssrf_guard import ForbiddenError, is_address, is_link_local, is_public

MAX_ADDRESSES = 3  # addresses of one name

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a name and a port to IP addresses, in the order to try them; OSError when there are none."""


async def resolve_dns(name: str, port: int) -> Sequence[str]:
    """What this machine's resolver says."""
    found = await anyio.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(address[4][0] for address in found))


class UnknownHostError(ValueError):
    """The name has no address."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """How far links go: how a name is looked up, and which of the addresses may be dialled."""

    resolve: Resolve = resolve_dns
    allows: Callable[[str], bool] = is_public

    async def addresses(self, url: httpx.URL) -> tuple[str, ...]:
        """The addresses to dial for a link. Raises ForbiddenError, UnknownHostError or, for an odd host, ValueError.

        One forbidden answer forbids the name: the others may be there to get it past.
        """
        found = await self._looked_up(ssrf_guard.host(url), url)
        if not found:
            raise UnknownHostError("has a host that nobody knows")
        if not all(self.allows(address) for address in found):
            raise ForbiddenError("leads into a private network")
        return tuple(found[:MAX_ADDRESSES])

    async def addresses_of_vendor_link(self, url: httpx.URL, custom: httpx.URL | None) -> tuple[str, ...]:
        """The addresses to dial for a link that a vendor gave; none where the link may be followed as it stands.

        `custom` is the base URL that the operator put in place of the vendor's own. A gateway inside of this network
        may lead to its other machines, but not to what clouds keep on the link itself. Raises as `addresses` does.
        """
        if custom is not None and await self._is_inside(custom):
            if any(is_link_local(address) for address in await self._looked_up(url.host, url)):
                raise ForbiddenError("leads to an address of the link itself")
            return ()
        if uses_proxy(url):  # it looks names up by itself, and this machine perhaps cannot
            name = ssrf_guard.host(url)
            if is_address(name) and not self.allows(name):
                raise ForbiddenError("leads into a private network")
            return ()
        return await self.addresses(url)

    async def _looked_up(self, name: str, url: httpx.URL) -> Sequence[str]:
        if is_address(name):
            return (name,)
        try:
            return await self.resolve(name, url.port or (80 if url.scheme == "http" else 443))
        except (OSError, UnicodeError):
            return ()

    async def _is_inside(self, url: httpx.URL) -> bool:
        """Whether a host is one of this machine's or network's; names that the public DNS cannot have are."""
        try:
            await self.addresses(url)
        except UnknownHostError:
            return False
        except ValueError:
            return True
        return False


def pinned(request: httpx.Request, address: str) -> httpx.Request:
    """The same request, dialled at that address; Host and the name that TLS asks for stay.

    Its connection is closed after it. A pool knows connections by their address alone, and would hand one that was
    opened, and whose certificate was checked, for another name of the same machine.
    """
    made = httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        content=request.read(),
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
    )
    made.headers["connection"] = "close"
    return made


async def send_to(client: httpx.AsyncClient, request: httpx.Request, addresses: tuple[str, ...]) -> httpx.Response:
    """The beginning of an answer, from the first address that takes the connection; without any, as it stands."""
    for address in addresses[:-1]:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await client.send(pinned(request, address), stream=True)
    return await client.send(pinned(request, addresses[-1]) if addresses else request, stream=True)
