"""Tests of `wire`: which hosts get the key, what is retried, how polls and downloads end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.images.identify import picture
from atelier.providers.testing.server import Adorned, Answer, Dropped, Emulator
from atelier.providers.transport.multipart import multipart
from atelier.providers.transport.network.address_policy import AddressPolicy
from atelier.providers.transport.network.http_client import httpx, vendor_client
from atelier.providers.transport.vendor_json import reason_for_status
from atelier.providers.transport.wire import MAX_POLL_FAILURES, Wire
from tests.conftest import png

pytestmark = pytest.mark.anyio

KEY = "key-0123456789"


class Host(Emulator):
    """A host with a task that is ready at the third poll, a file, and a redirect to `elsewhere`."""

    def __init__(self) -> None:
        self.looks = 0
        self.elsewhere = ""
        routes = [
            Route("/submit", self.submit, methods=["POST"]),
            Route("/look", self.poll),
            Route("/file", self.file),
            Route("/moved", self.moved, methods=["GET", "POST"]),
        ]
        super().__init__(Starlette(routes=routes))

    async def submit(self, request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def poll(self, request: Request) -> Response:
        self.looks += 1
        return JSONResponse({"ready": self.looks >= 3})

    async def file(self, request: Request) -> Response:
        return Response(b"picture", media_type="image/png")

    async def moved(self, request: Request) -> Response:
        return RedirectResponse(self.elsewhere)


@pytest.fixture
def host() -> Generator[Host]:
    with (emulator := Host()).serving():
        yield emulator


@pytest.fixture
def other() -> Generator[Host]:
    with (emulator := Host()).serving():
        yield emulator


def explain(response: httpx.Response) -> ImageError:
    return ImageError(
        reason_for_status(response.status_code), f"It answered {response.status_code}: {sanitize(response.text)}"
    )


@asynccontextmanager
async def wire(host: Host, deadline: float = 5.0, **fields: Any) -> AsyncGenerator[Wire]:
    endpoint = Endpoint(base_url=host.url, custom=True, **fields)
    async with vendor_client(endpoint, 5) as http:
        yield Wire(http, endpoint, explain, key=KEY, secrets=(KEY,), deadline=deadline)


async def test_the_key_is_added_to_a_copy_of_the_prepared_request(host: Host) -> None:
    request = httpx.Request("POST", f"{host.url}/submit", json={})
    async with wire(host, key_header="x-key", key_prefix="") as line:
        await line.send(request)
    assert "x-key" not in request.headers
    assert host.requests[-1].headers["x-key"] == KEY


@pytest.mark.parametrize("value", ["füchsin".encode(), "füchsin".encode("latin-1"), b'x; y="\xff\xfe"'])
async def test_a_non_ascii_header_does_not_lose_the_image(host: Host, value: bytes) -> None:
    host.next(*[Adorned(b"content-disposition", value)] * 5)
    async with wire(host) as line:
        assert (await line.send(httpx.Request("POST", f"{host.url}/submit", json={}))).json() == {"ok": True}
        assert (await line.poll(f"{host.url}/look", lambda answer: answer.json()["ready"], every=0.01)).json()["ready"]
        assert await line.download(f"{host.url}/file") == b"picture"


async def test_another_host_is_polled_without_the_key_unless_it_is_trusted(host: Host, other: Host) -> None:
    stranger = other.url.replace("127.0.0.1", "localhost")
    async with wire(host) as line:
        await line.poll(f"{stranger}/look", lambda answer: answer.json()["ready"], every=0.01)
        await line.poll(f"{host.url}/look", lambda answer: answer.json()["ready"], every=0.01)
    assert len(other.requests) == len(host.requests) == 3
    assert all("authorization" not in request.headers for request in other.requests)
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in host.requests)


async def test_a_poll_ends_at_the_deadline_with_an_unknown_outcome(host: Host) -> None:
    async with wire(host, deadline=0.3) as line:
        with pytest.raises(ImageError) as caught:
            await line.poll(f"{host.url}/look", lambda answer: False, every=0.05)
    assert caught.value.reason is Reason.TIMEOUT
    assert caught.value.outcome_unknown


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://a\0b/", "nonsense", "", "gopher://127.0.0.1/"])
async def test_an_invalid_url_is_not_retried(host: Host, url: str) -> None:
    async with wire(host) as line:
        for ask in (line.poll(url, lambda _: True, every=0.01), line.download(url)):
            with pytest.raises(ImageError) as caught:
                await ask
            assert caught.value.reason is Reason.INVALID_RESPONSE
            assert caught.value.outcome_unknown


async def test_a_poll_retries_failures_that_a_paid_request_does_not(host: Host) -> None:
    host.next(Dropped(), Answer(500, {}), Answer(429, {}, {"retry-after": "0"}))
    async with wire(host) as line:
        await line.poll(f"{host.url}/look", lambda answer: answer.json()["ready"], every=0.01)
    host.next(Dropped())
    async with wire(host) as line:
        with pytest.raises(ImageError) as caught:
            await line.send(httpx.Request("POST", f"{host.url}/submit"))
    assert caught.value.outcome_unknown


async def test_a_poll_ends_with_an_error_that_comes_in_a_200_again_and_again(host: Host) -> None:
    error = Answer(200, {"error": {"message": "The task is of another key.", "code": 401}})
    host.next(error, Answer(200, {"ready": False}), *[error] * (MAX_POLL_FAILURES + 1))
    async with wire(host) as line:
        with pytest.raises(ImageError) as caught:
            await line.poll(f"{host.url}/look", lambda answer: bool(answer.json().get("ready")), every=0.01)
    assert "The task is of another key." in caught.value.message
    assert caught.value.collectable
    assert len(host.requests) == MAX_POLL_FAILURES + 3


async def test_a_download_carries_no_key_even_through_a_redirect(host: Host, other: Host) -> None:
    host.elsewhere = f"{host.url}/file"
    async with wire(host) as line:
        assert await line.download(f"{host.url}/moved") == b"picture"
    assert len(host.requests) == 2
    assert all("authorization" not in request.headers for request in host.requests)


async def test_a_download_must_be_https_if_the_base_url_is(host: Host) -> None:
    endpoint = Endpoint(base_url="https://vendor.invalid")
    async with vendor_client(endpoint, 5) as http:
        line = Wire(http, endpoint, explain, key=KEY)
        for url in (f"{host.url}/file", "file:///etc/passwd", "nonsense", "http://[", ""):
            with pytest.raises(ImageError) as caught:
                await line.download(url)
            assert caught.value.reason is Reason.INVALID_RESPONSE
    assert host.requests == []


@pytest.mark.parametrize("link", ["http://cdn.example/a.png", "HTTP://cdn.example/a.png"])
async def test_an_image_behind_http_is_asked_for_by_https(link: str) -> None:
    asked = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if request.url.path == "/a.png":
            return httpx.Response(302, headers={"location": "http://cdn.example/b.png"})
        return httpx.Response(200, content=b"picture")

    endpoint = Endpoint(base_url="https://vendor.example", transport=answer)
    async with vendor_client(endpoint, 5) as http:
        assert await Wire(http, endpoint, explain, key=KEY).download(link) == b"picture"
    assert asked == ["https://cdn.example/a.png", "https://cdn.example/b.png"]


@pytest.mark.parametrize(
    "private",
    ["http://10.0.0.1/file", "http://169.254.169.254/latest/meta-data", "http://[::1]/file", "http://inside.example/"],
)
@pytest.mark.parametrize("hops", [0, 1, 2])
async def test_a_redirect_of_a_download_into_a_private_network_is_refused(host: Host, private: str, hops: int) -> None:
    async def resolve(name: str, port: int) -> list[str]:
        return ["10.0.0.7" if name == "inside.example" else "127.0.0.1"]

    links = [*(f"http://hop{n}.example:{host.port}/moved" for n in range(hops)), private]
    host.next(*[Answer(302, b"", {"location": link}) for link in links[1:]])
    endpoint = Endpoint(base_url="http://vendor.example")
    address_policy = AddressPolicy(resolve, allows=lambda address: address == "127.0.0.1")
    async with vendor_client(endpoint, 5) as http:
        with pytest.raises(ImageError) as caught:
            await Wire(http, endpoint, explain, key=KEY, address_policy=address_policy).download(links[0])
    assert caught.value.message == "The vendor sent a link that leads into a private network."
    assert (caught.value.reason, caught.value.outcome_unknown) == (Reason.INVALID_RESPONSE, True)
    assert len(host.requests) == hops


async def test_a_dead_link_is_an_invalid_response_that_may_be_billed(host: Host) -> None:
    async with wire(host) as line:
        with pytest.raises(ImageError) as caught:
            await line.download(f"{host.url}/gone")
    assert caught.value.reason is Reason.INVALID_RESPONSE
    assert caught.value.outcome_unknown
    assert "404" in caught.value.message


async def test_a_download_has_a_maximum_of_redirects(host: Host) -> None:
    host.elsewhere = f"{host.url}/moved"
    async with wire(host) as line:
        with pytest.raises(ImageError, match="redirects"):
            await line.download(f"{host.url}/moved")
    assert len(host.requests) == 6


async def test_a_request_with_a_key_is_not_redirected(host: Host, other: Host) -> None:
    host.elsewhere = f"{other.url}/submit"
    async with wire(host) as line:
        with pytest.raises(ImageError, match="redirect"):
            await line.send(httpx.Request("POST", f"{host.url}/moved"))
    assert other.requests == []


async def test_a_429_is_retried_a_limited_number_of_times(host: Host) -> None:
    host.next(*[Answer(429, {}, {"retry-after": "0"})] * 20)
    async with wire(host) as line:
        with pytest.raises(ImageError) as caught:
            await line.send(httpx.Request("POST", f"{host.url}/submit"))
    assert caught.value.reason is Reason.RATE_LIMITED
    assert 2 <= len(host.requests) <= 6


async def test_an_answer_beyond_the_limit_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atelier.providers.transport.wire.MAX_ANSWER_BYTES", 1000)
    host.next(Answer(200, b"x" * 5000))
    async with wire(host) as line:
        with pytest.raises(ImageError) as caught:
            await line.send(httpx.Request("POST", f"{host.url}/submit"))
    assert caught.value.reason is Reason.INVALID_RESPONSE


async def test_a_key_in_an_error_is_redacted(host: Host) -> None:
    host.next(Answer(401, {"you said": KEY}))
    async with wire(host) as line:
        with pytest.raises(ImageError) as caught:
            await line.send(httpx.Request("POST", f"{host.url}/submit"))
    assert KEY not in str(caught.value)


async def test_only_the_first_part_of_a_long_refusal_is_read(host: Host) -> None:
    host.next(Answer(400, b"x" * 500_000))
    seen: list[int] = []

    def measure(response: httpx.Response) -> ImageError:
        seen.append(len(response.content))
        return ImageError(Reason.INVALID_REQUEST, "No.")

    endpoint = Endpoint(base_url=host.url, custom=True)
    async with vendor_client(endpoint, 5) as http:
        with pytest.raises(ImageError):
            await Wire(http, endpoint, measure).send(httpx.Request("POST", f"{host.url}/submit"))
    assert seen == [64 * 2**10]


@pytest.mark.parametrize(
    ("base", "url", "shown"),
    [
        ("https://api.vendor.ai", "https://api.vendor.ai/x", [True]),
        ("https://api.vendor.ai", "https://api.eu2.vendor.ai/x", [True]),
        ("https://api.vendor.ai", "http://api.eu2.vendor.ai/x", []),  # where the vendor speaks https, http is not asked
        ("https://api.vendor.ai", "http://api.vendor.ai/x", []),
        ("https://api.vendor.ai", "https://vendor.ai.evil.example/x", [False]),
        ("https://api.vendor.ai", "https://evilvendor.ai/x", [False]),
        ("https://gateway.example", "https://api.vendor.ai/x", [False]),
        ("https://gateway.example", "https://gateway.example:8443/x", [True]),
        ("http://127.0.0.1:1", "http://127.0.0.1:2/x", [True]),
        ("http://127.0.0.1:1", "http://localhost:1/x", [False]),
    ],
)
async def test_only_trusted_hosts_get_the_key(base: str, url: str, shown: list[bool]) -> None:
    seen: list[bool] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append("authorization" in request.headers)
        return httpx.Response(200)

    endpoint = Endpoint(base_url=base, trusted_hosts=("vendor.ai",), transport=answer)
    async with vendor_client(endpoint, 5) as http:
        line = Wire(http, endpoint, explain, key=KEY)
        with nullcontext() if shown else pytest.raises(ImageError):
            await line.poll(url, lambda _: True, every=0.01)
    assert seen == shown


@pytest.mark.parametrize("status", [408, 409])
async def test_a_paid_request_with_an_unknown_outcome_is_not_retried(host: Host, status: int) -> None:
    host.next(*[Answer(status, {})] * 5)
    async with wire(host) as line:
        with pytest.raises(ImageError):
            await line.send(httpx.Request("POST", f"{host.url}/submit"))
    assert len(host.requests) == 1


def test_equal_multipart_requests_are_identical() -> None:
    fox = picture(png(4, 4))
    one = multipart("https://host.invalid/x", {"prompt": "a fox", "seed": None, "n": 2}, [("image[]", fox)])
    again = multipart("https://host.invalid/x", {"prompt": "a fox", "seed": None, "n": 2}, [("image[]", fox)])
    assert one.read() == again.read()
    assert one.headers["content-type"] == again.headers["content-type"]
    assert b"seed" not in one.content
    assert b'name="image[]"; filename="image.png"' in one.content


def test_a_form_without_files_is_multipart() -> None:
    bare = multipart("https://host.invalid/x", {"prompt": "a fox"})
    assert bare.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="prompt"\r\n\r\na fox' in bare.read()


@pytest.mark.parametrize("path", ["/file", "/look"])
async def test_a_vendors_link_into_this_network_is_not_followed(host: Host, path: str) -> None:
    endpoint = Endpoint(base_url="https://api.vendor.example", trusted_hosts=("vendor.example",))

    async def resolve(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    links = [host.url.replace("http:", "https:") + path, f"https://cdn.vendor.example:{host.port}{path}"]
    async with vendor_client(endpoint, 5) as http:
        careful = Wire(http, endpoint, explain, key=KEY, address_policy=AddressPolicy(resolve))
        for link in links:
            with pytest.raises(ImageError, match="private network") as caught:
                await (careful.download(link) if path == "/file" else careful.poll(link, bool, every=0.01))
            assert caught.value.reason is Reason.INVALID_RESPONSE
    assert host.requests == []


async def test_a_vendors_link_is_fetched_from_the_checked_address(host: Host) -> None:
    endpoint = Endpoint(base_url="http://api.vendor.example", trusted_hosts=("vendor.example",))
    resolved = list[str]()

    async def resolve(name: str, port: int) -> list[str]:
        resolved.append(name)
        return ["127.0.0.1"]

    async with vendor_client(endpoint, 5) as http:
        wire = Wire(
            http, endpoint, explain, key=KEY, address_policy=AddressPolicy(resolve, allows=lambda address: True)
        )
        assert await wire.download(f"http://cdn.vendor.example:{host.port}/file") == b"picture"
    assert resolved == ["cdn.vendor.example"]
    assert host.requests[0].headers["host"] == f"cdn.vendor.example:{host.port}"
    assert "authorization" not in host.requests[0].headers


async def test_two_names_of_one_machine_never_share_a_connection() -> None:
    """A pool that knows a connection by its address alone would reuse the first one, opened for another name."""
    peers = list[Any]()

    class Noting(Host):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            peers.append(scope["client"])
            await super().__call__(scope, receive, send)

    async def resolve(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    endpoint = Endpoint(base_url="http://api.vendor.example", trusted_hosts=("vendor.example",))
    with (host := Noting()).serving():
        async with vendor_client(endpoint, 5) as http:
            wire = Wire(http, endpoint, explain, address_policy=AddressPolicy(resolve, allows=lambda address: True))
            for name in ("a", "b"):
                await wire.download(f"http://{name}.vendor.example:{host.port}/file")
    assert len(set(peers)) == 2


async def test_a_gateway_in_this_network_may_link_to_private_but_not_to_link_local_addresses(
    host: Host, other: Host
) -> None:
    async with wire(host) as connected:
        assert await connected.download(other.url.replace("127.0.0.1", "localhost") + "/file") == b"picture"
        with pytest.raises(ImageError, match="a link-local address"):
            await connected.download("http://169.254.169.254/latest/meta-data")
