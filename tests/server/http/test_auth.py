"""Which tokens are accepted: those of the settings' secret, or of the keys at a real JWKS address."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.testing.server import Answer, Dropped, Emulator, Held
from atelier.providers.testing.waiting import LONG
from atelier.server.http import auth
from atelier.server.http.auth import Verify, caller_in, verifier_of
from atelier.server.settings import Settings
from tests.server.http_process import SECRET, token

pytestmark = pytest.mark.anyio

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[str, Any] = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def jwk(algorithm: str, key: Any, **more: Any) -> dict[str, Any]:
    maker: Any = jwt.get_algorithm_by_name(algorithm)
    return {**json.loads(maker.to_jwk(key.public_key())), "alg": algorithm, "use": "sig", **more}


class Issuer(Emulator):
    """An identity provider's keys."""

    def __init__(self) -> None:
        self.keys = [jwk(name, key, kid=name) for name, key in KEYS.items()]
        self.keys.append({"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "HS256"})
        super().__init__(Starlette(routes=[Route("/keys", self._serve)]))

    async def _serve(self, request: Request) -> Response:
        return JSONResponse({"keys": self.keys})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    emulator = Issuer()
    with emulator.serving():
        yield emulator


def shared(**settings: str) -> Verify:
    return verifier_of(Settings.from_environ({"ATELIER_JWT_SECRET": SECRET, **settings}))


def by(issuer: Issuer, **settings: str) -> Verify:
    return verifier_of(Settings.from_environ({"ATELIER_JWKS_URL": f"{issuer.url}/keys", **settings}))


def signed(algorithm: str, key: Any = None, kid: str | None = "", **claims: Any) -> str:
    headers = {} if kid is None else {"kid": kid or algorithm}
    said = {"sub": "alice", "exp": int(time.time()) + 60, **claims}
    return jwt.encode(said, key or KEYS[algorithm], algorithm, headers=headers)


async def reason(verify: Verify, word: str) -> Reason:
    with pytest.raises(ImageError) as caught:
        await verify(word)
    told = f"{caught.value.message} {caught.value.hint} {caught.value.facts} {caught.value!r}"
    assert not word or word not in told
    assert caught.value.__cause__ is None
    return caught.value.reason


async def test_the_secrets_tokens_name_their_caller() -> None:
    assert await shared()(token("alice")) == "alice"
    assert await shared()(token("alice", customer_id="acme")) == "acme"


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


UNSIGNED = f"{part({'alg': 'none'})}.{part({'sub': 'alice', 'exp': 9e9})}."
DEEP = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 30_000).decode().rstrip("=") + ".e30.x"
NOW = int(time.time())

REFUSED = {
    "empty": "",
    "garbage": "garbage",
    "two parts": "a.b",
    "unsigned": UNSIGNED,
    "deep": DEEP,
    "another secret": token(secret="x" * 40),
    "tampered with": token()[:-4] + "AAAA",
    "expired": token(exp=NOW - 31),
    "no end": token(exp=None),
    "an end that is no number": token(exp="soon"),
    "an endless end": token(exp=float("inf")),
    "not yet": token(nbf=NOW + 86_400),
    "from the future": token(iat=NOW + 86_400),
    "nobody": token(sub=None),
    "an absurd customer": token(customer_id=""),
    "customer 0": token(customer_id=0),
    "a customer below 0": token(customer_id="-5"),
    "another algorithm": jwt.encode({"sub": "alice", "exp": NOW + 86_400}, "s" * 64, "HS512"),
}


WORDS = {
    "unsigned": "algorithm",
    "another secret": "signature",
    "expired": "expired",
    "no end": "no exp",
    "not yet": "too early",
    "from the future": "too early",
    "nobody": "no caller",
    "an absurd customer": "no caller",
    "customer 0": "no caller",
    "a customer below 0": "no caller",
    "another algorithm": "algorithm",
    "tampered with": "signature",
}
"""What the log has to say of them; of the others, that they are malformed."""


@pytest.mark.parametrize(("name", "word"), REFUSED.items(), ids=REFUSED.keys())
async def test_whatever_else_comes_is_refused_with_no_word_about_it_but_in_the_log(
    name: str, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "atelier")
    assert await reason(shared(), word) is Reason.AUTHENTICATION
    (record,) = caplog.records
    assert record.__dict__["facts"] == {"why": WORDS.get(name, "malformed")}


async def test_clocks_may_differ_by_half_a_minute() -> None:
    assert await shared()(token(exp=int(time.time()) - 20)) == "alice"


async def test_issuer_and_audience_are_checked_where_they_are_set() -> None:
    assert await shared()(token(iss="x", aud="y")) == "alice"
    strict = shared(ATELIER_JWT_ISSUER="https://id.example.com", ATELIER_JWT_AUDIENCE="atelier")
    assert await strict(token(iss="https://id.example.com", aud=["atelier", "other"])) == "alice"
    for claims in ({}, {"iss": "https://id.example.com"}, {"iss": "https://evil.example.com", "aud": "atelier"}):
        assert await reason(strict, token(**claims)) is Reason.AUTHENTICATION


@pytest.mark.parametrize("algorithm", KEYS)
async def test_an_issuers_keys_are_fetched_once(issuer: Issuer, algorithm: str) -> None:
    verify = by(issuer)
    assert await verify(signed(algorithm)) == "alice"
    assert await verify(signed(algorithm, sub="bob")) == "bob"
    assert len(issuer.requests) == 1


async def test_a_token_that_borrows_another_keys_name_or_kind_is_refused(issuer: Issuer) -> None:
    verify = by(issuer)
    public = jwk("RS256", RSA)["n"]
    for word in (
        signed("RS256", OTHER),
        signed("RS256", kid="ES256"),
        signed("RS256", kid=None),  # several keys, and no word which
        jwt.encode({"sub": "alice", "exp": NOW + 86_400}, public, "HS256", headers={"kid": "RS256"}),
        jwt.encode({"sub": "alice", "exp": NOW + 86_400}, SECRET, "HS256", headers={"kid": "HS256"}),
        UNSIGNED,
    ):
        assert await reason(verify, word) is Reason.AUTHENTICATION
    assert await reason(by(issuer), signed("RS256", OTHER, kid="unknown")) is Reason.AUTHENTICATION
    assert len(issuer.requests) <= 2  # nobody's tokens make it ask on and on


async def test_a_single_key_needs_no_name(issuer: Issuer) -> None:
    issuer.keys = [jwk("ES256", EC)]
    assert await by(issuer)(signed("ES256", kid=None)) == "alice"


async def test_a_new_key_is_found_once_the_pause_is_over(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer.keys, later = issuer.keys[:1], issuer.keys
    verify = by(issuer)
    assert await verify(signed("RS256")) == "alice"
    issuer.keys = later
    assert await reason(verify, signed("ES256")) is Reason.AUTHENTICATION  # the keys are fresh
    assert len(issuer.requests) == 1
    monkeypatch.setattr(auth, "UNKNOWN_KEY_INTERVAL", 0.0)
    assert await verify(signed("ES256")) == "alice"
    assert len(issuer.requests) == 2


JUNK: list[Any] = [
    {"kty": "RSA", "n": "AA", "e": "AA", "kid": "RS256"},
    {"kty": "oct", "k": "AAAA", "kid": "RS256"},
    {**jwk("RS256", RSA, kid="RS256"), "use": "enc"},
    {**jwk("RS256", RSA), "kid": ["RS256"]},
    {"x": 1},
    5,
]


async def test_junk_does_not_take_the_place_of_good_keys(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer.keys = [*JUNK, *issuer.keys, *JUNK[:2]]
    verify = by(issuer)
    assert await verify(signed("RS256")) == "alice"
    issuer.keys = JUNK
    monkeypatch.setattr(auth, "UNKNOWN_KEY_INTERVAL", 0.0)
    assert await reason(verify, signed("ES256", kid="new")) is Reason.PROVIDER_UNAVAILABLE
    assert len(issuer.requests) == 2
    assert await verify(signed("RS256")) == "alice"  # as long as they live
    monkeypatch.setattr(auth, "KEYS_TTL", 0.0)
    assert await reason(verify, signed("RS256")) is Reason.PROVIDER_UNAVAILABLE


TROUBLES = {
    "broken": Answer(500, {}),
    "a page": Answer(200, b"<html>"),
    "a list": Answer(200, []),
    "no keys": Answer(200, {"keys": []}),
    "keys of no use": Answer(200, {"keys": JUNK}),
    "dropped": Dropped(),
    "dropped midway": Dropped(midway=True),
    "endless": Answer(200, b" " * (auth.MAX_KEY_SET_BYTES + 1)),
    "elsewhere": Answer(302, {}, {"location": "https://example.com/"}),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_keys_that_cannot_be_fetched_are_nobodys_fault(
    issuer: Issuer, trouble: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.next(trouble)
    verify = by(issuer)
    assert await reason(verify, signed("RS256")) is Reason.PROVIDER_UNAVAILABLE
    assert await reason(verify, signed("RS256")) is Reason.PROVIDER_UNAVAILABLE
    assert len(issuer.requests) == 1  # it is left alone for a moment
    monkeypatch.setattr(auth, "FAILURE_BACKOFF", 0.0)
    assert await verify(signed("RS256")) == "alice"


async def test_an_address_that_never_answers_holds_nobody_up_for_long(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "FETCH_TIMEOUT", 0.2)
    held = Held()
    issuer.next(held)
    verify, found = by(issuer), list[Reason]()

    async def ask() -> None:
        found.append(await reason(verify, signed("RS256")))

    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask)
    held.go.set()
    assert found == [Reason.PROVIDER_UNAVAILABLE] * 3


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, "ATELIER_JWT_SECRET"),
        ({"ATELIER_JWT_SECRET": "short"}, "32 bytes"),
        ({"ATELIER_JWT_SECRET": SECRET, "ATELIER_JWKS_URL": "https://id.example.com/keys"}, "one of them"),
        ({"ATELIER_JWKS_URL": "http://id.example.com/keys"}, "https"),
        ({"ATELIER_JWKS_URL": "http://127.0.0.1.example.com/keys"}, "https"),
    ],
)
def test_a_server_that_could_not_check_tokens_is_not_started(environ: dict[str, str], names: str) -> None:
    with pytest.raises(ImageError) as caught:
        verifier_of(Settings.from_environ(environ))
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert names in f"{caught.value.message} {caught.value.hint}"
    assert "short" not in caught.value.message.replace("too short", "")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080"])
def test_plain_http_is_taken_on_this_machine(host: str) -> None:
    assert verifier_of(Settings.from_environ({"ATELIER_JWKS_URL": f"http://{host}/keys"}))


async def test_keys_behind_no_proxy_are_fetched_whatever_the_proxy_is(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert await by(issuer)(signed("RS256")) == "alice"


@pytest.mark.parametrize(
    ("claims", "caller"),
    [
        ({"sub": "alice"}, "alice"),
        ({"sub": "alice", "customer_id": "acme"}, "acme"),
        ({"customer_id": 42}, "42"),
        ({"customer_id": "007"}, "007"),
        ({"customer_id": "-a"}, "-a"),
        ({"sub": "0x0"}, "0x0"),
        ({"sub": "auth0|12"}, "auth0|12"),
        ({"sub": "Bob Ü"}, "Bob Ü"),
        ({"sub": "x" * 255}, "x" * 255),
    ],
)
def test_the_customer_id_comes_before_the_subject(claims: dict[str, Any], caller: str) -> None:
    assert caller_in(claims) == caller


ABSURD = (
    "", " ", " x", "a\nb", "a\0", "a\u202eb", "\ud800", "x" * 256, None, True, 1.5, ["x"],
    0, -5, "0", "00", "-5", "-0", "+0", "0.0", "-1.5",
)  # fmt: skip


@pytest.mark.parametrize("absurd", ABSURD)
def test_an_absurd_claim_names_nobody_even_beside_a_good_one(absurd: Any) -> None:
    assert caller_in({"sub": absurd}) is None
    assert caller_in({"customer_id": absurd, "sub": "alice"}) is None


def test_without_a_claim_there_is_nobody() -> None:
    assert caller_in({"iss": "x"}) is None
