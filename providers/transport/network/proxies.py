"""Send requests directly or through the proxy that the environment names for the host.

NO_PROXY is checked first, so that a proxy that cannot be used is an error only for requests that need it. Its entries
are those of curl and httpx: `*`, a name with its subdomains, `.name` or `*.name` for the subdomains alone, an address
or a block of addresses; each may have a port.
"""

from __future__ import annotations

import re
import ssl
import sys
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.request import getproxies

import anyio
import httpx2 as httpx

from atelier.providers.core.errors import ImageError, Reason, sanitize

PORTS = {"http": 80, "https": 443}
SOCKS = ("socks5", "socks5h")
IDLE = 3.0  # seconds; hosts on uvicorn, such as LiteLLM, close at 5, and a POST sent meanwhile may or may not be billed
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=IDLE)
"""Without a bound, since the vendor's limiter counts the calls."""
WITH_PORT = re.compile(r"(\[.*\]|[^:]*):(\d+)")


def proxied_transport(trust: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """Return the transport for hosts that the operator chose, which uses the proxies of the environment, if any."""
    if not getproxies() and sys.platform not in ("darwin", "win32"):  # whose settings may change while we run
        return httpx.AsyncHTTPTransport(verify=trust, limits=LIMITS)
    return EnvironmentTransport(trust)


def uses_proxy(url: httpx.URL, host: str = "") -> tuple[str, str] | None:
    """Return the variable and the address of the proxy for a URL; None for a direct connection.

    `host` is the name if the URL contains its resolved address.
    """
    named = getproxies()
    kind = url.scheme if named.get(url.scheme) else "all"
    proxy = named.get(kind)
    port = url.port or PORTS.get(url.scheme)
    if not proxy or any(_covers(entry, host or url.host, port) for entry in named.get("no", "").split(",")):
        return None
    return f"{kind.upper()}_PROXY", proxy if "://" in proxy else f"http://{proxy}"


class _SocksTransport(httpx.AsyncHTTPTransport):
    """Send requests through a SOCKS proxy. A failure before the tunnel is open is a ProxyError: nothing was sent.

    httpx does not translate errors of the SOCKS library, and leaves their connections open.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return its response."""
        import socksio

        extensions, opening = request.extensions, list[Any]()

        async def trace(event: str, info: dict[str, Any]) -> None:
            if event == "socks.connect_tcp.complete":
                opening.append(info["return_value"])
            elif event == "socks.setup_socks5_connection.complete":
                opening.clear()
            if "trace" in extensions:
                await extensions["trace"](event, info)

        request.extensions = {**extensions, "trace": trace}
        try:
            return await super().handle_async_request(request)
        except (httpx.TransportError, socksio.SOCKSError) as error:
            if not opening:
                raise
            why = str(error) if isinstance(error, httpx.ProxyError) else f"no SOCKS 5 proxy answers: {error!r}"
            raise httpx.ProxyError(why) from None
        finally:
            request.extensions = extensions
            with anyio.CancelScope(shield=True):
                for connection in opening:
                    await connection.aclose()


class EnvironmentTransport(httpx.AsyncBaseTransport):
    """Send each request directly or through a proxy, as the environment says. Raises invalid_request for a bad one."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust
        self._transports: dict[str, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return its response."""
        host = request.extensions.get("sni_hostname") or request.url.host
        variable, address = uses_proxy(request.url, host) or ("", "")
        if address not in self._transports:
            self._transports[address] = self._through(_usable(variable, address, host) if address else None)
        try:
            return await self._transports[address].handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if address:
                raise type(error)(f"through the proxy of {variable}: {str(error) or 'no answer'}") from error
            raise

    def _through(self, proxy: httpx.Proxy | None) -> httpx.AsyncBaseTransport:
        kind = _SocksTransport if proxy and proxy.url.scheme in SOCKS else httpx.AsyncHTTPTransport
        return kind(verify=self._trust, proxy=proxy, limits=LIMITS)

    async def aclose(self) -> None:
        """Close every connection."""
        while self._transports:
            await self._transports.popitem()[1].aclose()


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of NO_PROXY covers a host."""
    name = entry.strip().lower().rpartition("://")[2]
    if not name or name == "*":
        return bool(name)
    if only := WITH_PORT.fullmatch(name):
        name = only[1]
        if int(only[2]) != port:
            return False
    try:
        return ip_address(host) in ip_network(name.strip("[]"), strict=False)
    except ValueError:  # one of them is a name
        below = name.removeprefix("*")
        return host == name or host.endswith(below if below.startswith(".") else f".{below}")


def _usable(variable: str, address: str, host: str) -> httpx.Proxy:
    """Return the proxy of an address. Errors do not quote the address, which may hold a password."""
    way_out = f"or add {sanitize(host, 80)} to NO_PROXY."
    try:
        proxy = httpx.Proxy(address)
    except (httpx.InvalidURL, ValueError):
        kind = sanitize(address.partition("://")[0], 20)
        message = f"{variable} names a proxy that cannot be used (“{kind}://…”)."
        hint = f"Write it as http://, https://, socks5:// or socks5h:// with host and port, {way_out}"
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint) from None
    if proxy.url.scheme in SOCKS and find_spec("socksio") is None:
        message = f"{variable} names a SOCKS proxy, and the package for these is not installed."
        hint = f"Install Atelier with its extra “socks” (atelier-mcp[socks]), {way_out}"
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint)
    return proxy
