"""Tests of the SSRF guard: thousands of hostile links, none of which leads to an address that is not public."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atelier.providers.transport.network import ssrf_guard
from atelier.providers.transport.network.address_policy import AddressPolicy, UnknownHostError
from atelier.providers.transport.network.http_client import httpx
from atelier.providers.transport.network.ssrf_guard import ForbiddenError, is_public
from tests.exhaustive import examples

PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0",
    "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "168.63.129.16", "192.88.99.1", "203.0.113.9",
]  # fmt: skip
V4 = st.one_of(st.sampled_from(PRIVATE).map(IPv4Address), st.ip_addresses(v=4))
PLAIN = {"www.example.com": "93.184.216.34"}


def spellings(ip: IPv4Address) -> list[str]:
    """Spellings of an IPv4 address that some parser or resolver accepts."""
    a, b, c, d = ip.packed
    number = int(ip)
    wide = str.maketrans("0123456789.", "０１２３４５６７８９。")
    return [
        str(ip), f"{number}", f"0x{number:x}", f"0{number:o}", f"{a}.{b}.{c << 8 | d}", f"{a}.{b << 16 | c << 8 | d}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:03d}.{b:03d}.{c:03d}.{d:03d}",
        f"{ip}.", f"{ip}..", str(ip).translate(wide), f"%{ord(str(ip)[0]):02x}{str(ip)[1:]}", f"{ip}%00.example.com",
        f"[::ffff:{ip}]", f"[::{ip}]", f"[64:ff9b::{ip}]", f"[64:ff9b:1::{ip}]",
        f"[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1]",
        f"[2001:0:{a:02x}{b:02x}:{c:02x}{d:02x}::]", f"[fe80::5efe:{ip}]", f"[2606:4700::200:5efe:{ip}]",
        f"[::ffff:{a:x}{b:02x}:{c:x}{d:02x}]", f"[0:0:0:0:0:ffff:{ip}]", f"[::ffff:{ip}%25eth0]", f"[::ffff:{ip}%1]",
        f"www.example.com@{ip}", f"www.example.com:80@{ip}", f"www.example.com%40{ip}", f"{ip}#@www.example.com",
        f"{ip}\\@www.example.com", f"www.example.com\\@{ip}", f"{ip}%2f@www.example.com", f"{ip}?@www.example.com",
    ]  # fmt: skip


def urls(host: str) -> list[str]:
    return [f"https://{host}/a.png", f"HTTPS://{host}:443", f"https://{host}:8443/?x=.png"]


def led_to(words: str, answers: Any = PLAIN) -> tuple[str, ...] | None:
    """Return the addresses of a link with that DNS; None if it is refused."""

    async def resolve(name: str, port: int) -> list[str]:
        # an obliging resolver, which takes everything for an address that inet_aton would
        import socket

        try:
            return [socket.inet_ntoa(socket.inet_aton(name))]
        except OSError:
            return [answers[name]] if name in answers else []

    async def resolve_host() -> tuple[str, ...]:
        return await AddressPolicy(resolve=resolve).addresses(ssrf_guard.parse_link(words))

    try:
        return anyio.run(resolve_host)
    except ValueError as error:
        assert str(error)  # noqa: PT017
        return None


@pytest.mark.parametrize("address", PRIVATE)
def test_no_spelling_of_a_private_address_is_allowed(address: str) -> None:
    for host in spellings(IPv4Address(address)):
        for url in urls(host):
            assert led_to(url) in (None, ("93.184.216.34",)), url


def resolve_allowed(words: str) -> str | None:
    """Return the host of a link that would be resolved or connected to."""
    try:
        return ssrf_guard.lookup_host(ssrf_guard.parse_link(words))
    except ValueError:
        return None


@given(ip=V4, port=st.sampled_from(["", ":443", ":0", ":65536", ":08443", ":x"]))
@settings(max_examples=examples(350), deadline=None)
def test_a_host_is_a_canonical_address_or_a_public_name(ip: IPv4Address, port: str) -> None:
    for spelling in spellings(ip):  # 34 of them: about 12,000 hostile links in all
        host = resolve_allowed(f"https://{spelling}{port}/a.png")
        if host is None:
            continue
        if ssrf_guard.is_address(host):
            assert host == str(ip_address(host))
            assert ":" in host or host == str(ip)
            assert "2606" in host or ":" not in host or not is_public(host)
        else:
            assert host.rpartition(".")[2][0].isalpha()
            assert "example.com" in host


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
@settings(max_examples=examples(400))
def test_a_reserved_ipv4_address_is_not_public(ip: IPv4Address) -> None:
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        assert not is_public(str(ip))
    for inside in (f"::ffff:{ip}", f"64:ff9b::{ip}", f"::{ip}"):
        assert not is_public(inside)


@given(st.one_of(st.ip_addresses(v=6), st.integers(0, 2**32 - 1).map(lambda low: IPv6Address(0x2002 << 112 | low))))
@settings(max_examples=examples(400))
def test_a_reserved_ipv6_address_is_not_public(ip: IPv6Address) -> None:
    if not ip.is_global or ip.is_multicast or ip.is_site_local or ip.ipv4_mapped or ip.sixtofour or ip.teredo:
        assert not is_public(str(ip))


def test_public_addresses_are_allowed() -> None:
    for address in ("93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::200e"):
        assert is_public(address)
    assert led_to("https://93.184.216.34/a.png") == ("93.184.216.34",)
    assert led_to("https://www.example.com/a.png") == ("93.184.216.34",)
    assert led_to("https://[2606:4700:4700::1111]/a.png") == ("2606:4700:4700::1111",)
    assert led_to("https://bücher.example.com/", {"xn--bcher-kva.example.com": "8.8.8.8"}) == ("8.8.8.8",)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "a.localhost", "metadata.google.internal", "printer.local", "router",
     "host.docker.internal", "nas.home.arpa", "default.svc.cluster.local", "a..example.com", "-a.example.com",
     "x.onion", "ⓛocalhost", "[::1", "[fe80::1%25eth0]", "[::]", "1.2.3", "0", "example.1"],
)  # fmt: skip
def test_local_names_are_not_resolved(host: str) -> None:
    assert led_to(f"https://{host}/a.png", {host: "93.184.216.34"}) is None


@pytest.mark.parametrize("host", ["localhost", "localhost.", "a.localhost", "printer.local", "printer.local."])
def test_a_local_name_is_forbidden(host: str) -> None:
    with pytest.raises(ForbiddenError, match="leads into a private network"):
        ssrf_guard.lookup_host(ssrf_guard.parse_link(f"https://{host}/a.png"))


def test_other_text_is_neither_a_public_nor_a_link_local_address() -> None:
    for words in ("", "www.example.com", "8.8.8", "8.8.8.8.", "169.254.169.254.example.com"):
        assert not is_public(words)
        assert not ssrf_guard.is_link_local(words)
    assert ssrf_guard.is_link_local("169.254.169.254")


@pytest.mark.parametrize(("port", "taken"), [("0", False), ("1", True), ("65535", True), ("65536", False)])
def test_a_port_is_one_to_65535(port: str, taken: bool) -> None:
    led = led_to(f"https://www.example.com:{port}/a.png")
    assert led == (("93.184.216.34",) if taken else None)


def test_a_public_name_with_an_empty_port_is_looked_up() -> None:
    assert led_to("https://a.example.com:/a.png", {"a.example.com": "93.184.216.34"}) == ("93.184.216.34",)


@pytest.mark.parametrize(
    "words",
    ["http://www.example.com/", "ftp://www.example.com/", "file:///etc/passwd", "gopher://www.example.com/",
     "https:www.example.com", "https:///www.example.com", "//www.example.com", "https://", "javascript:alert(1)",
     "https://www.example.com/\r\nHost: inside", "https://www.example.com\t/", " https://www.example.com/",
     "https://www.exam\u200bple.com/", "https://www.example.com:99999/", "https://www.example.com:-1/", "\0"],
)  # fmt: skip
def test_a_link_must_be_a_plain_https_url(words: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ssrf_guard.parse_link(words)


@given(st.text(max_size=60))
@example("https://[::ffff:127.0.0.1]/")
@settings(max_examples=examples(500), deadline=None)
def test_no_text_passes_or_breaks_the_guard(words: str) -> None:
    for text in (words, f"https://{words}", f"https://{words}/a.png", f"https://www.example.com{words}"):
        host = resolve_allowed(text)
        assert host is None or ssrf_guard.is_address(host) or ssrf_guard.NAME.fullmatch(host)


def test_one_private_address_forbids_the_host() -> None:
    async def mixed(name: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(ForbiddenError, match="private"):
        anyio.run(AddressPolicy(resolve=mixed).addresses, httpx.URL("https://www.example.com/"))


def test_a_host_without_an_address_has_its_own_error() -> None:
    async def none(name: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(UnknownHostError):
        anyio.run(AddressPolicy(resolve=none).addresses, httpx.URL("https://www.example.com/"))


BASE = httpx.URL("http://127.0.0.1:9000/v1")


@pytest.mark.parametrize(
    ("link", "custom", "outcome"),
    [
        ("https://cdn.example.com/a.png", None, ("93.184.216.34",)),
        ("https://inside.example.com/a.png", None, "private"),
        ("http://127.0.0.1/a.png", None, "private"),
        ("http://169.254.169.254/latest/meta-data", None, "private"),
        ("http://minio:9000/a.png", BASE, ()),
        ("http://10.0.0.7/a.png", BASE, ()),
        ("http://169.254.169.254/latest/meta-data", BASE, "link-local"),
        ("http://[::ffff:169.254.169.254]/", BASE, "link-local"),
        ("http://10.0.0.7/a.png", httpx.URL("https://cdn.example.com/v1"), "private"),
    ],
)
def test_a_vendors_link_stays_out_of_this_network_unless_its_gateway_is_inside(
    link: str, custom: httpx.URL | None, outcome: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def resolve(name: str, port: int) -> list[str]:
        known = {"cdn.example.com": "93.184.216.34", "inside.example.com": "10.0.0.7", "minio": "10.0.0.7"}
        return [known[name]]

    if isinstance(outcome, str):
        with pytest.raises(ForbiddenError, match=outcome):
            anyio.run(AddressPolicy(resolve=resolve).addresses_of_vendor_link, httpx.URL(link), custom)
    else:
        assert anyio.run(AddressPolicy(resolve=resolve).addresses_of_vendor_link, httpx.URL(link), custom) == outcome


def test_behind_a_proxy_only_ip_addresses_are_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    assert anyio.run(AddressPolicy().addresses_of_vendor_link, httpx.URL("https://cdn.example.com/a.png"), None) == ()
    with pytest.raises(ForbiddenError):
        anyio.run(AddressPolicy().addresses_of_vendor_link, httpx.URL("https://10.0.0.1/a.png"), None)
