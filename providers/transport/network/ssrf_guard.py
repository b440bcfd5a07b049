"""Rules for links against server-side request forgery: which URLs, hosts and addresses are allowed. No I/O.

Ranges: the IANA special-purpose registries for IPv4 and IPv6, as of November 2026.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from atelier.providers.transport.network.http_client import httpx

SPECIAL_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata too
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "168.63.129.16/32",  # public by its number, but inside of Azure its wire server
        "192.0.0.0/24", "192.88.99.0/24",  # protocol assignments, 6to4 relays
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4", "240.0.0.0/4",  # multicast; reserved and broadcast
    )
)  # fmt: skip
GLOBAL_V6 = IPv6Network("2000::/3")  # all that is assigned to the public; the mapped, private and local ones are not
SPECIAL_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
    )
)  # fmt: skip
LINK_LOCAL = (IPv4Network("169.254.0.0/16"), IPv6Network("fe80::/10"))
ISATAP = 0x5EFE  # in bits 32 to 47 of an address that hides an IPv4 one (RFC 5214)

NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
"""A name of the public DNS. The last label is not a number, which excludes 2130706433, 0x7f.1 and 127.1."""

LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa", ".onion")
"""Suffixes outside the public DNS (RFC 6761, 6762, 7686, 8375; ICANN for `internal`)."""

AMBIGUOUS = re.compile(r"[\x00-\x20\x7f-\xa0\\\u200b-\u200f\u2028-\u202f\u2060\ufeff]")  # parsers disagree about these


class ForbiddenError(ValueError):
    """The link is well formed but leads to a forbidden address."""


def is_address(host: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address belongs to a machine on the public internet."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in block for block in SPECIAL_V4)
    hides = int(ip) >> 32 & 0xFFFF == ISATAP
    return ip.scope_id is None and ip in GLOBAL_V6 and not hides and not any(ip in block for block in SPECIAL_V6)


def is_link_local(address: str) -> bool:
    """Whether an IP address is link-local, where clouds serve a machine's credentials."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    plain = ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
    return any(plain in block for block in LINK_LOCAL if block.version == plain.version)


def parse_link(text: str, *, schemes: tuple[str, ...] = ("https",), base: httpx.URL | None = None) -> httpx.URL:
    """Parse a link, relative to `base` if there is one. The host is checked by `lookup_host`.

    Raises ValueError with a message that follows “the address”.
    """
    if AMBIGUOUS.search(text):
        raise ValueError("has characters that no URL may have")
    try:
        url = base.join(text) if base is not None else httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("is not a valid URL") from None
    if url.scheme not in schemes:
        raise ValueError(f"is not {' or '.join(schemes)}")
    if url.userinfo:
        raise ValueError("contains a user name")
    if not url.host or not (url.port is None or 0 < url.port < 2**16):
        raise ValueError("is not a valid URL")
    return url


def lookup_host(url: httpx.URL) -> str:
    """Return the host of a link: an IP address, or a name of the public DNS in ASCII.

    Raises ForbiddenError for a name of this machine or network, and ValueError for a disguised IP address.
    """
    ascii = url.raw_host.decode("ascii", "replace").lower()
    if ":" in ascii or ascii.replace(".", "").isdigit():
        try:
            return str(ip_address(ascii))
        except ValueError:
            raise ValueError("has an IP address as its host that is not in the usual form") from None
    if ascii.rstrip(".") == "localhost" or ascii.rstrip(".").endswith(LOCAL_SUFFIXES):
        raise ForbiddenError("leads into a private network")
    if not NAME.fullmatch(ascii):
        raise ValueError("has a host that is not a public domain name")
    return ascii
