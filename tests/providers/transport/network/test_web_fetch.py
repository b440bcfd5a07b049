"""Tests of fetching images from callers' links over real sockets: what is fetched, what is refused, and why."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Callable, Generator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.images.sources import SourceLimits, SourceReader
from atelier.providers.testing.server import Answer, Drip, Dropped, Emulator, Slow
from atelier.providers.transport.network import http_client
from atelier.providers.transport.network.address_policy import AddressPolicy
from atelier.providers.transport.network.web_fetch import WebFetcher
from tests.conftest import png
from tests.exhaustive import examples

pytestmark = pytest.mark.anyio

FOX = png(8, 8, "orange")
MAX_BYTES = 100_000


class Site(Emulator):
    """A web site with an image, pages, and redirects to the address in the path."""

    def __init__(self) -> None:
        routes = [Route("/fox.png", self.fox), Route("/to", self.to), Route("/loop", self.loop)]
        super().__init__(Starlette(routes=routes))

    async def fox(self, request: Request) -> Response:
        return Response(FOX, media_type="image/png", headers={"set-cookie": "a=b"})

    async def to(self, request: Request) -> Response:
        return RedirectResponse(request.url.query)

    async def loop(self, request: Request) -> Response:
        return RedirectResponse("/loop")


@pytest.fixture
def site() -> Generator[Site]:
    with (emulator := Site()).serving():
        yield emulator


class World:
    """A DNS in which the site is public; records every query."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, name: str, port: int) -> list[str]:
        self.asked.append(name)
        if name.startswith("none"):
            raise OSError(name)
        return [self.answers.pop(0)] if self.answers else ["127.0.0.1"]


def web(world: World, **options: Any) -> WebFetcher:
    address_policy = AddressPolicy(world.resolve, allows=lambda address: address == "127.0.0.1")
    return WebFetcher(address_policy, allow_http=True, **options)


async def refusal(fetcher: WebFetcher, url: str) -> ImageError:
    with pytest.raises(ImageError) as caught:
        await fetcher.fetch(url, MAX_BYTES)
    assert caught.value.hint
    assert not caught.value.outcome_unknown
    return caught.value


def at(site: Site, path: str, host: str = "pictures.example.com") -> str:
    return f"http://{host}:{site.port}{path}"


async def test_an_image_is_fetched_with_a_minimal_request(site: Site) -> None:
    world = World()
    assert await web(world).fetch(at(site, "/fox.png?size=8"), MAX_BYTES) == FOX
    (request,) = site.requests
    assert world.asked == ["pictures.example.com"]
    assert request.headers["host"] == f"pictures.example.com:{site.port}"
    assert set(request.headers) <= {"host", "accept", "accept-encoding", "user-agent", "connection"}


async def test_up_to_five_redirects_are_followed_and_each_host_is_resolved_once(site: Site) -> None:
    url = at(site, "/fox.png", "end.example.com")
    for hop in range(5):
        url = at(site, f"/to?{url}", f"hop{hop}.example.com")
    world = World()
    assert await web(world).fetch(url, MAX_BYTES) == FOX
    assert world.asked == [f"hop{hop}.example.com" for hop in (4, 3, 2, 1, 0)] + ["end.example.com"]
    assert "cookie" not in site.requests[-1].headers
    assert "more than 5 times" in (await refusal(web(World()), at(site, "/loop"))).message


@pytest.mark.parametrize(
    ("path", "reason", "words"),
    [
        ("/to?http://10.0.0.1/fox.png", Reason.INVALID_REQUEST, "private network"),
        ("/to?http://169.254.169.254/latest/meta-data", Reason.INVALID_REQUEST, "private network"),
        ("/to?http://[::1]/fox.png", Reason.INVALID_REQUEST, "private network"),
        ("/to?http://localhost/fox.png", Reason.INVALID_REQUEST, "private network"),
        ("/to?file:///etc/passwd", Reason.INVALID_REQUEST, "not https"),
        ("/to?http://a@pictures.example.com/", Reason.INVALID_REQUEST, "user name"),
        ("/to?http://2130706433/fox.png", Reason.INVALID_REQUEST, "not in the usual form"),
        ("/to?http://none.example.com/", Reason.NETWORK_ERROR, "no host"),
        ("/nothing.png", Reason.NOT_FOUND, "404"),
    ],
)
async def test_every_redirect_is_checked(site: Site, path: str, reason: Reason, words: str) -> None:
    error = await refusal(web(World()), at(site, path))
    assert (error.reason, words in error.message) == (reason, True), error.message
    assert len(site.requests) == 1


@given(st.lists(st.sampled_from(["a", "b", "10.0.0.1", "[::ffff:7f00:1]", "localhost", "none", "0x7f.1"]), max_size=7))
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_chain_of_redirects_ends_at_the_first_bad_hop(site: Site, chain: list[str]) -> None:
    site.requests.clear()
    url = at(site, "/fox.png", "end.example.com")
    for name in reversed(chain):
        url = at(site, f"/to?{url}", f"{name}.example.com" if name in ("a", "b", "none") else name)
    good = next((i for i, name in enumerate(chain) if name not in ("a", "b")), len(chain))
    if good == len(chain) <= 5:
        assert await web(World()).fetch(url, MAX_BYTES) == FOX
    else:
        await refusal(web(World()), url)
    assert len(site.requests) == min(good + (good == len(chain)), 6)


async def test_dns_rebinding_reaches_the_checked_address_only(site: Site) -> None:
    world = World("127.0.0.1", "10.0.0.1")
    assert await web(world).fetch(at(site, "/fox.png"), MAX_BYTES) == FOX
    assert world.asked == ["pictures.example.com"]
    again = World("127.0.0.1", "10.0.0.1")
    assert "private" in (await refusal(web(again), at(site, "/to?/fox.png"))).message


async def test_the_next_address_is_tried_if_one_refuses_the_connection(site: Site) -> None:
    async def resolve(name: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    address_policy = AddressPolicy(resolve, allows=lambda address: True)
    assert await WebFetcher(address_policy, allow_http=True).fetch(at(site, "/fox.png"), MAX_BYTES) == FOX


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        (Answer(200, b"<html>", {"content-type": "text/html"}), Reason.INVALID_REQUEST, "text/html instead"),
        (Answer(200, FOX, {"content-type": "image/png", "content-encoding": "br"}), Reason.INVALID_REQUEST, "compress"),
        (Answer(200, b"x" * (MAX_BYTES + 1), {"content-type": "image/png"}), Reason.INVALID_REQUEST, "larger than"),
        (Answer(403, b"", {}), Reason.INVALID_REQUEST, "status 403"),
        (Answer(503, b"", {}), Reason.NETWORK_ERROR, "status 503"),
        (Answer(304, b"", {}), Reason.INVALID_REQUEST, "status 304"),
        (Answer(302, b"", {}), Reason.INVALID_REQUEST, "status 302"),
        (Dropped(), Reason.NETWORK_ERROR, "could not be fetched"),
        (Slow(5), Reason.TIMEOUT, "within 0.4 seconds"),
        (Drip(0.05), Reason.INVALID_REQUEST, "instead of an image"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)  # fmt: skip
async def test_each_failure_has_its_own_message(site: Site, fault: Any, reason: Reason, words: str) -> None:
    site.next(fault)
    error = await refusal(web(World(), seconds=0.4), at(site, "/fox.png"))
    assert (error.reason, words in error.message) == (reason, True), error.message


async def streamed(site: Site, send_body: Callable[[Any], Any]) -> None:
    async def fault(scope: Any, receive: Any, send: Any, app: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"image/png")]})
        await send_body(send)

    site.next(fault)  # pyright: ignore[reportArgumentType]


async def test_a_body_without_a_length_is_bounded_in_bytes_and_in_time(site: Site) -> None:
    async def endless(send: Any) -> None:
        for _ in range(50):
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})

    async def slow(send: Any) -> None:
        for _ in range(50):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.05)

    await streamed(site, endless)
    assert "larger than" in (await refusal(web(World()), at(site, "/fox.png"))).message
    await streamed(site, slow)
    assert (await refusal(web(World(), seconds=0.3), at(site, "/fox.png"))).reason is Reason.TIMEOUT


async def test_http_is_refused_unless_it_is_allowed(site: Site) -> None:
    strict = WebFetcher(AddressPolicy(World().resolve, allows=lambda _: True))
    assert "not https" in (await refusal(strict, at(site, "/fox.png"))).message
    assert site.requests == []


async def test_a_refusal_repeats_only_the_host_of_the_link(site: Site) -> None:
    error = await refusal(web(World()), at(site, "/nothing?token=geheim"))
    assert "geheim" not in f"{error.message}{error.hint}{error.facts}"


async def test_a_fetched_image_is_checked_like_any_other(site: Site) -> None:
    sources = SourceReader(web=web(World()), limits=SourceLimits(max_bytes=5000))
    assert (await sources.read(at(site, "/fox.png"))).picture.format == "png"
    for body, words in ((b"GIF89 no picture", "cannot be used"), (b"<svg/>", "not a PNG"), (b"x" * 6000, "larger")):
        site.next(Answer(200, body, {"content-type": "image/png"}))
        with pytest.raises(ImageError, match=words):
            await sources.read(at(site, "/fox.png"))


async def test_a_link_to_an_asset_is_read_from_the_storage() -> None:
    from atelier.providers.core.tracing import new_id
    from atelier.providers.images.asset_storage import Asset

    id = new_id("img")

    class AssetReader:
        async def get(self, id: str) -> Asset | None:
            return Asset(id, FOX, {"provider": "openai"})

        async def newest(self, limit: int = 1, before: str | None = None) -> list[Mapping[str, Any]]:
            return []

    url = f"https://cdn.example.com/pictures/{id}.png?X-Amz-Signature=abc"
    sources = SourceReader(AssetReader(), own_link=lambda words: id if words == url else None)
    assert (await sources.read(url)).id == id


@asynccontextmanager
async def tls_site(certificate: ssl.SSLContext):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {len(FOX)}\r\n\r\n"
        writer.write(head.encode() + FOX)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=certificate)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A certificate for a name, in a file for SSL_CERT_FILE."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a site")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("10.9.9.9"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "site.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private.write_bytes(key.private_bytes(*kinds))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context


@pytest.fixture
def _fresh_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "site.pem"))
    http_client._load_context.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield
    http_client._load_context.cache_clear()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.usefixtures("_fresh_trust")
async def test_tls_checks_the_certificate_against_the_name_of_a_pinned_request(tmp_path: Path) -> None:
    async with tls_site(certificate(tmp_path, "pictures.example.com")) as port:
        fetcher = web(World())
        assert await fetcher.fetch(f"https://pictures.example.com:{port}/fox.png", MAX_BYTES) == FOX
        error = await refusal(fetcher, f"https://other.example.com:{port}/fox.png")
        assert error.reason is Reason.NETWORK_ERROR
        assert "certificate" in error.message.lower()
