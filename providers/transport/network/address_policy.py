"""Resolve the host of a link once, check every address, and pin the request to one of them.

A second look-up at connection time could return another address than the checked one (DNS rebinding). Therefore the
request goes to the address; the name stays in its Host header and in TLS, which checks the certificate against it.
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

MAX_ADDRESSES = 3  # tried per host

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a name and a port to IP addresses, in the order to try them; OSError when there are none."""


async def resolve_dns(name: str, port: int) -> Sequence[str]:
    """Return the addresses that this machine's resolver knows."""
    found = await anyio.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(address[4][0] for address in found))


class UnknownHostError(ValueError):
    """The host name has no address."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The rules for links: how a host is resolved, and which addresses are allowed.

    `resolves_elsewhere`: names are resolved by a program's own transport.
    """

    resolve: Resolve = resolve_dns
    allows: Callable[[str], bool] = is_public
    resolves_elsewhere: bool = False

    async def addresses(self, url: httpx.URL) -> tuple[str, ...]:
        """Return the addresses to connect to. Raises ForbiddenError, UnknownHostError or, for a bad host, ValueError.

        One forbidden address forbids the host: the public ones may be decoys.
        """
        found = await self._looked_up(ssrf_guard.lookup_host(url), url)
        if not found:
            raise UnknownHostError("has a host that does not exist")
        if not all(self.allows(address) for address in found):
            raise ForbiddenError("leads into a private network")
        return tuple(found[:MAX_ADDRESSES])

    async def addresses_of_vendor_link(self, url: httpx.URL, custom: httpx.URL | None) -> tuple[str, ...]:
        """Return the addresses to connect to for a vendor's link; none if the link needs no pinning.

        `custom` is the operator's base URL. A gateway inside this network may link to other machines of the network,
        but not to link-local addresses, where clouds serve credentials. Raises as `addresses` does.
        """
        if custom is not None and await self._is_inside(custom):
            if any(is_link_local(address) for address in await self._looked_up(url.host, url)):
                raise ForbiddenError("leads to a link-local address")
            return ()
        if self.resolves_elsewhere or uses_proxy(url):  # the proxy resolves names, and this machine may be unable to
            name = ssrf_guard.lookup_host(url)
            if is_address(name) and not self.allows(name):
                raise ForbiddenError("leads into a private network")
            return ()
        return await self.addresses(url)

    async def addresses_of_local_server(self, url: httpx.URL) -> tuple[str, ...]:
        """Return the addresses to connect to for http to a server of the user's own, which must not leave the network.

        Raises ForbiddenError for an address on the internet, or a link-local one, where clouds serve credentials.
        """
        if self.resolves_elsewhere or uses_proxy(url):
            return ()
        found = await self._looked_up(url.host, url)
        if any(is_public(address) or is_link_local(address) for address in found):
            raise ForbiddenError("leads out of the private network")
        return tuple(found[:MAX_ADDRESSES])

    async def _looked_up(self, name: str, url: httpx.URL) -> Sequence[str]:
        if is_address(name):
            return (name,)
        try:
            return await self.resolve(name, url.port or (80 if url.scheme == "http" else 443))
        except (OSError, UnicodeError):
            return ()

    async def _is_inside(self, url: httpx.URL) -> bool:
        """Whether a host is on this machine or network, which includes names that the public DNS cannot have."""
        try:
            await self.addresses(url)
        except UnknownHostError:
            return False
        except ValueError:
            return True
        return False


def pinned(request: httpx.Request, address: str) -> httpx.Request:
    """Return a copy of the request that connects to `address`; the Host header and the name in TLS stay.

    The connection is closed afterwards, because a pool knows connections by address alone and would reuse one whose
    certificate was checked for another name.
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
    """Send the request to the first address that accepts a connection, or unpinned if there are no addresses."""
    for address in addresses[:-1]:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await client.send(pinned(request, address), stream=True)
    return await client.send(pinned(request, addresses[-1]) if addresses else request, stream=True)
