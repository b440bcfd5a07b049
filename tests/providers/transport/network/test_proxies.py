"""Tests of proxies: requests through real proxies, NO_PROXY, and errors for proxies that cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence

import pytest
from starlette.responses import Response

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Endpoint
from atelier.providers.testing.server import Emulator
from atelier.providers.transport.network.address_policy import AddressPolicy
from atelier.providers.transport.network.http_client import environment_transport, httpx, vendor_client
from atelier.providers.transport.network.proxies import EnvironmentTransport, uses_proxy
from atelier.providers.transport.network.web_fetch import WebFetcher
from atelier.providers.transport.wire import Wire
from tests.conftest import png
from tests.emulators.socks import Socks, Trouble
from tests.providers.transport.test_wire import explain

pytestmark = pytest.mark.anyio

FOX = png(8, 8, "orange")


class Site(Emulator):
    """Answers every request with an image: as a vendor, as a link's host, or as an HTTP proxy."""

    def __init__(self) -> None:
        super().__init__(Response(FOX, media_type="image/png"))


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    for name in ("http", "https", "all", "no"):
        for spelling in (f"{name}_proxy", f"{name}_proxy".upper()):
            monkeypatch.delenv(spelling, raising=False)


@pytest.fixture
def site() -> Generator[Site]:
    with (emulator := Site()).serving():
        yield emulator


@pytest.fixture
def proxy() -> Generator[Site]:
    with (emulator := Site()).serving():
        yield emulator


@pytest.fixture
def socks() -> Generator[Socks]:
    with Socks().serving() as server:
        yield server


async def to_this_machine(name: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def reaching(http: httpx.AsyncClient, endpoint: Endpoint) -> Wire:
    """A Wire whose DNS resolves every name to this machine, which counts as public."""
    return Wire(http, endpoint, explain, address_policy=AddressPolicy(to_this_machine, allows=lambda address: True))


async def sent(url: str) -> bytes:
    """Send a paid request to a vendor at that URL and return its answer."""
    endpoint = Endpoint(base_url=url)
    async with vendor_client(endpoint, 5) as http:
        return (await reaching(http, endpoint).send(httpx.Request("POST", f"{url}/v1", json={}))).content


async def test_a_socks_proxy_resolves_the_vendors_name(
    site: Site, socks: Socks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", socks.url)
    assert await sent(f"http://vendor.example:{site.port}") == FOX
    assert socks.asked == ["vendor.example"]


async def test_an_http_proxy_gets_requests_for_the_hosts_that_are_not_in_no_proxy(
    site: Site, proxy: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "example.com, 127.0.0.0/8")
    assert await sent("http://vendor.example") == FOX
    assert proxy.requests[-1].headers["host"] == "vendor.example"
    assert await sent(site.url) == FOX
    assert (len(proxy.requests), len(site.requests)) == (1, 1)


UNUSABLE = {
    "no package": ("socks5h://user:secret@127.0.0.1:9", "names a SOCKS proxy", "atelier-mcp[socks]"),
    "unknown": ("socks4://user:secret@127.0.0.1:9", "a proxy that cannot be used (“socks4://…”)", "socks5h"),
    "no address": ("http://user:secret@host:port", "a proxy that cannot be used (“http://…”)", "socks5h"),
}


@pytest.fixture(params=UNUSABLE)
def unusable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Each proxy that cannot be used, set in the environment, with the expected message and hint."""
    address, says, advises = UNUSABLE[request.param]
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", address)
    return says, advises


async def test_an_unusable_proxy_fails_only_requests_that_need_it(
    site: Site, unusable: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    says, advises = unusable
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert await sent(site.url) == FOX
    with pytest.raises(ImageError) as caught:
        await sent("http://vendor.example")
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert not caught.value.outcome_unknown
    assert caught.value.message.startswith("ALL_PROXY names a")
    assert says in caught.value.message
    assert advises in caught.value.hint
    assert caught.value.hint.endswith("or add vendor.example to NO_PROXY.")
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


async def test_no_proxy_matches_the_name_of_a_pinned_link(
    site: Site, unusable: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "cdn.example.com")
    endpoint = Endpoint(base_url="http://vendor.example")
    async with vendor_client(endpoint, 5) as http:
        line = reaching(http, endpoint)
        assert await line.download(f"http://cdn.example.com:{site.port}/fox.png") == FOX
        with pytest.raises(ImageError) as caught:
            await line.download(f"http://other.example.com:{site.port}/fox.png")
    assert caught.value.collectable  # the picture is paid for, and the proxy can be corrected
    assert unusable[0] in caught.value.hint
    assert len(site.requests) == 1


async def test_a_vendors_link_is_resolved_unless_a_proxy_does_it(
    site: Site, socks: Socks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", socks.url)
    monkeypatch.setenv("NO_PROXY", "inside.example.com")
    address_policy = AddressPolicy(to_this_machine)
    assert await address_policy.addresses_of_vendor_link(httpx.URL("https://cdn.example.com/a.png"), None) == ()
    with pytest.raises(ValueError, match="private network"):
        await address_policy.addresses_of_vendor_link(httpx.URL("https://inside.example.com/a.png"), None)


@pytest.mark.parametrize(
    ("fault", "says"),
    [(None, "no SOCKS 5 proxy answers"), ("closes", "no SOCKS 5 proxy answers"), ("refuses", "Host unreachable")],
    ids=["a web server", "closes", "refuses"],
)
async def test_a_failure_before_the_proxy_tunnel_is_open_costs_nothing(
    proxy: Site, socks: Socks, fault: Trouble | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    socks.fault = fault
    monkeypatch.setenv("ALL_PROXY", socks.url if fault else f"socks5://127.0.0.1:{proxy.port}")
    monkeypatch.setattr("random.uniform", min)
    with pytest.raises(ImageError) as caught:
        await sent("http://vendor.example")
    assert caught.value.reason is Reason.NETWORK_ERROR
    assert says in caught.value.message
    assert not caught.value.outcome_unknown


async def test_a_proxy_that_does_not_answer_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret-word@127.0.0.1:1")
    monkeypatch.setattr("random.uniform", min)
    with pytest.raises(ImageError) as caught:
        await sent("http://vendor.example")
    assert caught.value.reason is Reason.NETWORK_ERROR
    assert "No connection to vendor.example (through the proxy of HTTP_PROXY: " in caught.value.message
    assert "secret-word" not in str(caught.value)


async def test_a_link_from_outside_goes_through_no_proxy(
    site: Site, proxy: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    web = WebFetcher(AddressPolicy(to_this_machine, allows=lambda address: True), allow_http=True)
    assert await web.fetch(f"http://pictures.example.com:{site.port}/fox.png", 100_000) == FOX
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("no_proxy", "around", "through"),
    [
        ("*", ["https://a.example"], []),
        ("example", ["https://example", "https://a.example"], ["https://notexample"]),
        (" .example ,other", ["https://a.example", "https://other"], ["https://example"]),
        ("*.example", ["https://a.example"], ["https://example"]),
        ("A.EXAMPLE", ["https://a.example"], []),
        ("localhost", ["http://localhost:8080"], ["http://localhost.example"]),
        ("a.example:8443", ["https://a.example:8443"], ["https://a.example"]),
        ("a.example:443", ["https://a.example"], ["http://a.example"]),
        ("10.0.0.0/8", ["http://10.1.2.3"], ["http://11.1.2.3", "http://10.example"]),
        ("10.0.0.1:8080", ["http://10.0.0.1:8080"], ["http://10.0.0.1"]),
        ("::1", ["http://[::1]:80"], ["http://[::2]"]),
        ("[::1]:8080", ["http://[::1]:8080"], ["http://[::1]"]),
        ("https://a.example", ["https://a.example"], ["https://b.example"]),
        (", ,/,nonsense//:", [], ["https://a.example"]),
        ("", [], ["https://a.example"]),
    ],
)
def test_no_proxy_is_read_as_curl_and_httpx_read_it(
    no_proxy: str, around: list[str], through: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", "proxy.example:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert [url for url in around if uses_proxy(httpx.URL(url))] == []
    assert {uses_proxy(httpx.URL(url)) for url in through} <= {("ALL_PROXY", "http://proxy.example:3128")}
    assert [url for url in through if not uses_proxy(httpx.URL(url))] == []


def test_the_proxy_of_a_scheme_comes_before_all_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")  # as some desktops set it beside the others
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert uses_proxy(httpx.URL("https://a.example")) == ("HTTPS_PROXY", "http://proxy.example:3128")
    assert uses_proxy(httpx.URL("http://a.example")) == ("ALL_PROXY", "socks://127.0.0.1:9")


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the system's settings may change meanwhile")
def test_without_a_proxy_no_request_looks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(environment_transport(), EnvironmentTransport)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert isinstance(environment_transport(), EnvironmentTransport)
