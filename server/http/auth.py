"""From a bearer token to the caller. Tokens are JSON Web Tokens (RFC 7519), signed with a shared secret or by the keys
of a JWKS address (RFC 7517). A caller learns only that a token is not accepted; the log says why in a word.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import anyio
import jwt
from pydantic_core import from_json

from atelier.providers.core.errors import ImageError, Reason, strip_control
from atelier.providers.transport.network.http_client import environment_transport, httpx
from atelier.server.observability.logs import log
from atelier.server.settings import Settings
from atelier.server.settings.fields import JWT_SECRET
from atelier.server.settings.values import is_customer

LEEWAY = 30  # seconds that clocks may differ
MIN_SECRET_BYTES = 32  # those of the digest that it signs with
SYMMETRIC, ASYMMETRIC = ("HS256",), ("RS256", "ES256", "EdDSA")

CLAIMS = ("customer_id", "sub")
"""The claims that may name the caller; the first that a token has decides."""
MAX_CALLER_CHARS = 255

KEYS_TTL = 600.0  # seconds that fetched keys are trusted
UNKNOWN_KEY_INTERVAL = 30.0  # seconds between two fetches because a token names an unknown key
FAILURE_BACKOFF = 5.0  # seconds in which an address that failed is not tried again
FETCH_TIMEOUT = 5.0  # seconds for a whole fetch
MAX_KEY_SET_BYTES = 2**20

FLAWS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "too early",
    jwt.InvalidSignatureError: "signature",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
}
"""What is wrong with a token, in a word; any other error makes it malformed."""

Verify = Callable[[str], Awaitable[str]]
"""From a token to the caller. Raises authentication when it is not accepted, provider_unavailable when it cannot be
checked."""

FindKey = Callable[[str, str | None], Awaitable[Any]]
"""From the algorithm and the key id (`kid`) of a token's header to the key that verifies it."""


def verifier_of(settings: Settings) -> Verify:
    """Return how tokens are checked by these settings. Raises invalid_request when they name no way, or two."""
    secret, url = settings.lookup(JWT_SECRET), settings.jwks_url
    if bool(secret) == bool(url):
        message = (
            "Tokens cannot be checked both by a secret and by a JWKS address."
            if secret
            else ("Over HTTP every call needs a token, and nothing says how tokens are checked.")
        )
        raise ImageError(Reason.INVALID_REQUEST, message, hint=f"Set {JWT_SECRET} or ATELIER_JWKS_URL, one of them.")
    if secret and len(secret.encode()) < MIN_SECRET_BYTES:
        message = f"{JWT_SECRET} is too short: it should have at least {MIN_SECRET_BYTES} bytes."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Make one with: openssl rand -hex 32")
    if url and not _is_safe(url):
        message = "ATELIER_JWKS_URL is not https; plain http is taken on this machine only."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give an https address.")
    find_key = _KeySet(url).find if url else _shared(secret or "")
    algorithms = ASYMMETRIC if url else SYMMETRIC

    async def verify(token: str) -> str:
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] not in algorithms:
                raise _refused("algorithm")
            claims = jwt.decode(
                token,
                await find_key(header["alg"], header.get("kid")),
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
        except Exception as error:  # noqa: BLE001 - the token comes from outside, and may break anything
            raise _refused(FLAWS.get(type(error), "malformed")) from None
        caller = caller_in(claims)
        if caller is None:
            raise _refused("no caller")
        return caller

    return verify


def caller_in(claims: Mapping[str, Any]) -> str | None:
    """Return the caller that a token names; None when it names none, or one that cannot be meant."""
    claim = next((claims[name] for name in CLAIMS if name in claims), None)
    text = str(claim) if isinstance(claim, int) and not isinstance(claim, bool) else claim
    if not isinstance(text, str) or not 0 < len(text) <= MAX_CALLER_CHARS:
        return None
    return text if text == text.strip() and text == strip_control(text) and is_customer(text) else None


def _refused(why: str) -> ImageError:
    """Return the error for a token that is not accepted, and log why."""
    log.info("token refused", extra={"facts": {"why": why}})
    message = "The token is not accepted."
    return ImageError(Reason.AUTHENTICATION, message, hint="Send a valid one as Authorization: Bearer TOKEN.")


def _shared(secret: str) -> FindKey:
    async def find(algorithm: str, kid: str | None) -> str:
        return secret

    return find


class _KeySet:
    """The keys of a JWKS address, fetched by one call at a time when they are missing or old.

    `jwt.PyJWKClient` is not used: while it fetches for an unknown key, callers of known keys wait for its lock; it
    tries a failing address on every call, limits neither size nor total time, and does not know SOCKS proxies.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = self._failed = float("-inf")
        self._lock = anyio.Lock()

    async def find(self, algorithm: str, kid: str | None) -> Any:
        """Return the key of this name for this algorithm. The only key of a set needs no name."""
        if self._is_due(kid):
            async with self._lock:
                if self._is_due(kid):
                    await self._fetch()
        only = next(iter(self._keys.values())) if kid is None and len(self._keys) == 1 else None
        key = self._keys.get(kid, only)
        if key is None or key.algorithm_name != algorithm:
            raise _refused("key")
        return key.key

    def _is_due(self, kid: str | None) -> bool:
        """Return whether to fetch: the keys are old, or one is unknown and may have been added."""
        known = kid is None or kid in self._keys
        return time.monotonic() - self._fetched >= (KEYS_TTL if known else UNKNOWN_KEY_INTERVAL)

    async def _fetch(self) -> None:
        if time.monotonic() - self._failed < FAILURE_BACKOFF:
            raise _unreachable(FAILURE_BACKOFF)
        try:
            with anyio.fail_after(FETCH_TIMEOUT):
                self._keys = _signing_keys(await _read(self._url))
        except Exception as error:  # noqa: BLE001 - whatever the address answers, no call may hang or break by it
            self._failed = time.monotonic()
            log.error("token keys not fetched", extra={"facts": {"why": type(error).__name__}})
            raise _unreachable(FAILURE_BACKOFF) from None
        self._fetched = time.monotonic()


async def _read(url: str) -> Any:
    """Read JSON of limited size, from that very address."""
    data = bytearray()
    async with (
        httpx.AsyncClient(transport=environment_transport(), follow_redirects=False) as web,
        web.stream("GET", url) as answer,
    ):
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            data += part
            if len(data) > MAX_KEY_SET_BYTES:
                raise ValueError("too large")
    return from_json(bytes(data))


def _signing_keys(key_set: dict[str, Any]) -> dict[str | None, jwt.PyJWK]:
    """Return the keys that may sign tokens, by name. Raises ValueError without any: junk replaces no good keys."""
    found = dict[str | None, jwt.PyJWK]()
    for each in key_set["keys"]:
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
    """Return whether it is https, or http to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Return whether a name or an address means this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
