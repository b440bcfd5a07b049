"""A bearer token -> the caller. Tokens are JSON Web Tokens (RFC 7519), signed with a shared secret or by the keys of a
JWKS address (RFC 7517). What is wrong with a token is told to no caller, only that it is not accepted; the log has a
word of it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import anyio
import jwt

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.transport.network.http_client import environment_transport, httpx
from atelier.server.http.callers import caller_in
from atelier.server.logs import log
from atelier.server.settings import JWT_SECRET, Settings

LEEWAY = 30  # seconds that clocks may differ
SHORTEST = 32  # bytes of a secret: those of the digest that it signs with
SYMMETRIC, ASYMMETRIC = ("HS256",), ("RS256", "ES256", "EdDSA")

LIFE = 600.0  # seconds that fetched keys are trusted
PAUSE = 30.0  # seconds between two fetches for the sake of a key that is not known
SULK = 5.0  # seconds in which an address that failed is not tried again
PATIENCE = 5.0  # seconds for a fetch in all
LARGEST = 2**20  # bytes of a key set

FLAWS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "too early",
    jwt.InvalidSignatureError: "signature",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
}
"""What is wrong with a token, in a word; anything else makes it malformed."""

Verify = Callable[[str], Awaitable[str]]
"""From a token to the caller. Raises authentication when it is not accepted, provider_unavailable when nobody knows."""

Signed = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""The key that a token should be signed with, by the token's header."""


def verifier_of(settings: Settings) -> Verify:
    """What the settings say of tokens. Raises invalid_request when they say nothing, or too much."""
    secret, url = settings.lookup(JWT_SECRET), settings.jwks_url
    if bool(secret) == bool(url):
        message = (
            "Tokens cannot be checked both by a secret and by a JWKS address."
            if secret
            else ("Over HTTP every call needs a token, and nothing says how tokens are checked.")
        )
        raise ImageError(Reason.INVALID_REQUEST, message, hint=f"Set {JWT_SECRET} or ATELIER_JWKS_URL, one of them.")
    if secret and len(secret.encode()) < SHORTEST:
        message = f"{JWT_SECRET} is too short: it should have at least {SHORTEST} bytes."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Make one with: openssl rand -hex 32")
    if url and not _is_safe(url):
        message = "ATELIER_JWKS_URL is not https; plain http is taken on this machine only."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give an https address.")
    key = _Keys(url).key if url else _shared(secret or "")
    algorithms = ASYMMETRIC if url else SYMMETRIC

    async def verify(token: str) -> str:
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] not in algorithms:
                raise _refused("algorithm")
            claims = jwt.decode(
                token,
                await key(header["alg"], header),
                algorithms=[header["alg"]],
                audience=settings.jwt_audience,
                issuer=settings.jwt_issuer,
                leeway=LEEWAY,
                options={"require": ["exp"], "verify_aud": settings.jwt_audience is not None},
            )
        except ImageError:
            raise
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"no {error.claim}") from None
        except Exception as error:  # noqa: BLE001 - a stranger wrote the token, and it may break anything
            raise _refused(FLAWS.get(type(error), "malformed")) from None
        caller = caller_in(claims)
        if caller is None:
            raise _refused("no caller")
        return caller

    return verify


def _refused(why: str) -> ImageError:
    """The token is not accepted, which the log knows the reason of."""
    log.info("token refused", extra={"facts": {"why": why}})
    message = "The token is not accepted."
    return ImageError(Reason.AUTHENTICATION, message, hint="Send a valid one as Authorization: Bearer TOKEN.")


def _shared(secret: str) -> Signed:
    async def key(algorithm: str, header: Mapping[str, Any]) -> str:
        return secret

    return key


class _Keys:
    """The keys of a JWKS address, fetched when they are missing or old, by one call at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = self._failed = float("-inf")
        self._fetching = anyio.Lock()

    async def key(self, algorithm: str, header: Mapping[str, Any]) -> Any:
        """The key that a token names, if it is one for this algorithm. A set of one key needs no name."""
        name = header.get("kid")
        if not self._knows(name):
            async with self._fetching:
                if not self._knows(name):
                    await self._fetch()
        found = self._keys.get(name) or (next(iter(self._keys.values())) if name is None and self._alone else None)
        if found is None or found.algorithm_name != algorithm:
            raise _refused("key")
        return found.key

    @property
    def _alone(self) -> bool:
        return len(self._keys) == 1

    def _knows(self, name: Any) -> bool:
        """Whether there is nothing to be learned by fetching now."""
        age = time.monotonic() - self._fetched
        return age < PAUSE or (age < LIFE and (name in self._keys or name is None))

    async def _fetch(self) -> None:
        if time.monotonic() - self._failed < SULK:
            raise _unreachable(SULK)
        try:
            with anyio.fail_after(PATIENCE):
                said = await _read(self._url)
            self._keys = _usable(said)
        except Exception as error:  # noqa: BLE001 - whatever the address does, no call may hang or break by it
            self._failed = time.monotonic()
            log.error("token keys not fetched", extra={"facts": {"why": type(error).__name__}})
            raise _unreachable(SULK) from None
        self._fetched = time.monotonic()


async def _read(url: str) -> dict[str, Any]:
    """A JSON object of limited size, from that very address."""
    data = bytearray()
    async with (
        httpx.AsyncClient(transport=environment_transport(), follow_redirects=False) as web,
        web.stream("GET", url) as answer,
    ):
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            data += part
            if len(data) > LARGEST:
                raise ValueError("too large")
    return httpx.Response(200, content=bytes(data)).json()


def _usable(said: dict[str, Any]) -> dict[str | None, jwt.PyJWK]:
    """Those keys of a set that may sign tokens. Raises ValueError without any: junk replaces no good ones."""
    found = dict[str | None, jwt.PyJWK]()
    for each in said["keys"]:
        try:
            key = jwt.PyJWK.from_dict(each)
            if key.algorithm_name in ASYMMETRIC and key.public_key_use in (None, "sig"):
                found[key.key_id] = key
        except Exception:  # noqa: BLE001, S112 - a set may hold keys for others, of any kind
            continue
    if not found:
        raise ValueError("no keys")
    return found


def _unreachable(wait: float) -> ImageError:
    message = "Tokens cannot be checked just now, because the keys for them cannot be fetched."
    return ImageError(Reason.PROVIDER_UNAVAILABLE, message, hint="Try again soon.", retry_after=max(wait, 1.0))


def _is_safe(url: str) -> bool:
    """https, or http to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own for itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
