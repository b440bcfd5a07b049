"""The bucket and the one client that reaches it. boto3 is imported by the first use: it takes as long as half of mcp.

What goes wrong there is told in our words, by the code of the answer or the kind of the exception; see TROUBLES.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import anyio

from atelier.providers.core.environment import variable
from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Lookup

THREADS = 8  # measured: with more of them the event loop waits for its turn noticeably
CONNECT, READ, ATTEMPTS = 5, 30, 3  # seconds, seconds without a byte, tries of one request

Outcome = TypeVar("Outcome")

Addressing = Literal["auto", "virtual", "path"]
"""Where the bucket's name goes: before the store's host, into the path, or whichever the store is likely to take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Where pictures go. `endpoint_url` is that of a store which is not Amazon's; `region` None asks the AWS set-up.

    `prefix` comes before every key. `public_base_url` is where the bucket's content is served to everyone; without one
    links are signed and work for `url_ttl` seconds.
    """

    name: str
    endpoint_url: str | None = None
    addressing: Addressing = "auto"
    region: str | None = None
    prefix: str = ""
    public_base_url: str | None = None
    url_ttl: int = 86_400


def without_bucket(endpoint: str | None, bucket: str, addressing: Addressing) -> tuple[str | None, Addressing]:
    """Return the store's address and how to address the bucket in it, for an endpoint that may hold the bucket itself.

    Stores show such endpoints to be copied. With the bucket in the path it is dropped. With the bucket before the host
    it is dropped and addressed there again; path addressing takes the host as it is.
    """
    parts = urlsplit(endpoint or "")
    path = parts.path.rstrip("/")
    if path.endswith(f"/{bucket}"):
        parts = parts._replace(path=path.removesuffix(bucket))
    if parts.netloc.startswith(f"{bucket}.") and addressing != "path":
        parts, addressing = parts._replace(netloc=parts.netloc.removeprefix(f"{bucket}.")), "virtual"
    return parts.geturl() or None, addressing


class Connection:
    """A lazy client for a bucket; every call on it runs in a worker thread.

    `conditional` says that the store takes a put with If-None-Match, until it has refused one.
    """

    def __init__(self, bucket: Bucket, lookup: Lookup) -> None:
        self.bucket = bucket
        self.conditional = True
        self._lookup = lookup
        self._client: Any = None
        self._making = threading.Lock()
        self._turns = anyio.CapacityLimiter(THREADS)

    async def run(self, do: Callable[[Any], Outcome]) -> Outcome:
        """Do something with the client, boto3's own. Raises storage_failed.

        A caller who is cancelled does not wait; the thread goes on, and what it does must bear being done again.
        """

        def work() -> Outcome:
            with told(self.bucket):
                return do(self._made())

        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._turns)

    def _made(self) -> Any:
        with self._making:
            if self._client is None:
                try:
                    self._client = connect(self.bucket, self._lookup)
                except ValueError as error:  # boto3 on an address or a region that is none
                    raise _failed(self.bucket, *UNREACHABLE, where=_where(self.bucket), why=str(error)) from None
            return self._client


def connect(bucket: Bucket, lookup: Lookup) -> Any:
    """A client with the credentials of the usual AWS chain.

    Checksums only where S3 requires them: boto3's default sends trailers that many compatible stores refuse.
    """
    for name in [name for name in os.environ if name.startswith("AWS_") and variable(os.environ, name) is None]:
        del os.environ[name]  # what a host left empty is unset, for boto3 as well
    import boto3  # pyright: ignore[reportMissingTypeStubs]
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    keys = tuple(lookup(name) for name in names)
    session: Any = boto3.Session(*(keys if keys[0] and keys[1] else ()))
    endpoint = bucket.endpoint_url
    likely = "path" if endpoint or "." in bucket.name else "virtual"
    return session.client(
        "s3",
        endpoint_url=endpoint,
        region_name=bucket.region or lookup("AWS_REGION") or session.region_name or "us-east-1",
        config=Config(
            signature_version="s3v4",
            max_pool_connections=THREADS,
            connect_timeout=CONNECT,
            read_timeout=READ,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "addressing_style": likely if bucket.addressing == "auto" else bucket.addressing,
                "payload_signing_enabled": bool(endpoint and endpoint.startswith("http:")),  # TLS protects it otherwise
            },
        ),
    )


CREDENTIALS = ("The store does not accept the credentials ({code}).", "Check AWS_ACCESS_KEY_ID and its secret.")
REGION = ("The bucket “{bucket}” is not in the region that was asked ({code}).", "Set ATELIER_S3_REGION to its own.")

MISSING = "Create it, or correct ATELIER_S3_BUCKET or ATELIER_S3_ENDPOINT_URL."
ADDRESSING = ("The store does not take the bucket's name in the path ({code}).", "Set ATELIER_S3_ADDRESSING=virtual.")
FULL = ("full", "The store has no room for more ({code}).", "Free some space in the bucket, or raise its quota.")

TROUBLES: dict[str, tuple[str, str, str]] = {
    "NoSuchBucket": ("bucket", "The bucket “{bucket}” does not exist.", MISSING),
    "InvalidBucketName": ("bucket", "“{bucket}” is no name of a bucket.", "Correct ATELIER_S3_BUCKET."),
    "InvalidAccessKeyId": ("credentials", *CREDENTIALS),
    "SignatureDoesNotMatch": ("credentials", *CREDENTIALS),
    "InvalidToken": ("credentials", *CREDENTIALS),
    "InvalidClientTokenId": ("credentials", *CREDENTIALS),
    "ExpiredToken": ("credentials", "The credentials for the store have expired.", "Renew them and start again."),
    "RequestTimeTooSkewed": ("credentials", "The store refuses this machine's clock.", "Set it to the right time."),
    "AccessDenied": (
        "denied",
        "The credentials may not do this in the bucket “{bucket}” ({call}).",
        "Allow s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket.",
    ),
    "AllAccessDisabled": ("denied", "The bucket “{bucket}” is closed by its provider.", "Ask the provider."),
    "PermanentRedirect": ("region", *REGION),
    "AuthorizationHeaderMalformed": ("region", *REGION),
    "IllegalLocationConstraintException": ("region", *REGION),
    "SecondLevelDomainForbidden": ("addressing", *ADDRESSING),
    "PathStyleDomainForbidden": ("addressing", *ADDRESSING),
    "InvalidPathAccess": ("addressing", *ADDRESSING),
    "QuotaExceeded": FULL,
    "XMinioStorageFull": FULL,
    "InsufficientStorage": FULL,
}
"""Code of the store's answer -> our word for the trouble, the sentence and the hint."""

UNREACHABLE = (
    "unreachable",
    "The store at {where} cannot be reached ({why}).",
    "Check the network, the proxy variables and ATELIER_S3_ENDPOINT_URL.",
)
NOBODY = (
    "credentials",
    "There are no usable credentials for the store ({why}).",
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
)
PASSING = frozenset({"SlowDown", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict"})
"""Codes that mean nothing later, whatever their status."""
LASTING = (501, 505)
"""Statuses from 500 that a store would answer later as well."""
UNCONDITIONAL = frozenset({"InvalidArgument", "InvalidRequest", "InvalidHeader", "UnsupportedHeader", "400"})
"""Codes of a 400 by which stores refuse a header that they do not know; the last is that of an empty answer."""
FAILING = ("failing", "The store is failing just now ({code}).", "Try again later.")
REFUSED = ("The store refused the call ({code}: {why}).", "Check the settings of the bucket.")


@contextmanager
def told(bucket: Bucket) -> Generator[None]:
    """What goes wrong in the block is raised as storage_failed; `facts["trouble"]` is the word for programs."""
    from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
        BotoCoreError,
        ClientError,
        ConnectionError,
        HTTPClientError,
        ParamValidationError,
    )

    try:
        yield
    except ClientError as error:
        answer: Any = error.response  # pyright: ignore[reportUnknownMemberType]
        raise of_answer(bucket, answer, str(error.operation_name)) from None  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    except ParamValidationError:
        raise _failed(bucket, *TROUBLES["InvalidBucketName"]) from None
    except (ConnectionError, HTTPClientError) as error:
        raise _failed(bucket, *UNREACHABLE, where=_where(bucket), why=type(error).__name__) from None
    except BotoCoreError as error:  # the rest of boto3's own troubles are about who it is to be
        raise _failed(bucket, *NOBODY, why=type(error).__name__) from None
    except OSError as error:  # certificates that cannot be read, say
        raise _failed(bucket, *UNREACHABLE, where=_where(bucket), why=str(error)) from None


def may_refuse_condition(answer: dict[str, Any]) -> bool:
    """Whether an error answer to a put may be about its If-None-Match, which not every store knows."""
    status, code = _status(answer), answer.get("Error", {}).get("Code")
    return status in (405, 501) or (status == 400 and code in UNCONDITIONAL)


def _status(answer: dict[str, Any]) -> int:
    return answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def of_answer(bucket: Bucket, answer: dict[str, Any], call: str) -> ImageError:
    """An error answer of the store in our words."""
    error = answer.get("Error", {})
    status, code = _status(answer), str(error.get("Code", ""))
    if code in ("401", "403", "Forbidden"):  # an answer without a body has no other code
        code = "AccessDenied"
    if code in TROUBLES:
        return _failed(bucket, *TROUBLES[code], code=code, call=call)
    if status == 429 or (status >= 500 and status not in LASTING) or code in PASSING:
        return _failed(bucket, *FAILING, code=code)
    return _failed(bucket, code, *REFUSED, code=code, why=str(error.get("Message", "")))


def _where(bucket: Bucket) -> str:
    return bucket.endpoint_url or "Amazon"


def _failed(bucket: Bucket, trouble: str, message: str, hint: str, **words: str) -> ImageError:
    text = message.format(bucket=bucket.name, **{name: sanitize(word, 120) for name, word in words.items()})
    return ImageError(Reason.STORAGE_FAILED, text, hint=hint, facts={"trouble": trouble, "bucket": bucket.name})
