"""The bucket and its boto3 client. boto3 is imported by the first use, since that takes long.

Errors become storage_failed with a message by the code of the answer or the type of the exception; see ERRORS_BY_CODE.
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

MAX_THREADS = 8  # measured: more threads delay the event loop
CONNECT_TIMEOUT, READ_TIMEOUT, MAX_ATTEMPTS = 5, 30, 3  # seconds, seconds without a byte, tries of one request

Outcome = TypeVar("Outcome")

Addressing = Literal["auto", "virtual", "path"]
"""Where the bucket's name goes: before the host, into the path, or by boto3's own rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket. `endpoint_url` is None for Amazon; `region` None means that of the AWS configuration.

    `prefix` comes before every key. `public_base_url` is where the bucket's content is public; without one
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

    Some stores display such endpoints. With the bucket in the path it is dropped. With the bucket before the host
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

    `conditional` is True until the store has refused a put with If-None-Match.
    """

    def __init__(self, bucket: Bucket, lookup: Lookup) -> None:
        self.bucket = bucket
        self.conditional = True
        self._lookup = lookup
        self._client: Any = None
        self._client_lock = threading.Lock()
        self._limiter = anyio.CapacityLimiter(MAX_THREADS)

    async def run(self, do: Callable[[Any], Outcome]) -> Outcome:
        """Call `do` with the boto3 client in a worker thread. Raises storage_failed.

        A cancelled caller does not wait for the thread, which continues: `do` must be repeatable.
        """

        def call() -> Outcome:
            with storage_errors(self.bucket):
                return do(self._client_once())

        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)

    def _client_once(self) -> Any:
        with self._client_lock:
            if self._client is None:
                try:
                    self._client = connect(self.bucket, self._lookup)
                except ValueError as error:  # raised by boto3 for an invalid address or region
                    raise _failed(self.bucket, *UNREACHABLE, where=_where(self.bucket), why=str(error)) from None
            return self._client


def connect(bucket: Bucket, lookup: Lookup) -> Any:
    """Return a client with the credentials of the AWS provider chain.

    Checksums only where S3 requires them: boto3's default sends trailers that many compatible stores refuse.
    """
    for name in [name for name in os.environ if name.startswith("AWS_") and variable(os.environ, name) is None]:
        del os.environ[name]  # an empty variable counts as unset, for boto3 as well
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
            max_pool_connections=MAX_THREADS,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"total_max_attempts": MAX_ATTEMPTS, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "addressing_style": likely if bucket.addressing == "auto" else bucket.addressing,
                "payload_signing_enabled": bool(endpoint and endpoint.startswith("http:")),  # TLS protects it otherwise
            },
        ),
    )


CREDENTIALS = ("The store does not accept the credentials ({code}).", "Check AWS_ACCESS_KEY_ID and its secret.")
REGION = ("The bucket “{bucket}” is in another region ({code}).", "Set ATELIER_S3_REGION to its region.")

MISSING = "Create it, or correct ATELIER_S3_BUCKET or ATELIER_S3_ENDPOINT_URL."
ADDRESSING = ("The store does not take the bucket's name in the path ({code}).", "Set ATELIER_S3_ADDRESSING=virtual.")
FULL = ("full", "The store has no room for more ({code}).", "Free some space in the bucket, or raise its quota.")

ERRORS_BY_CODE: dict[str, tuple[str, str, str]] = {
    "NoSuchBucket": ("bucket", "The bucket “{bucket}” does not exist.", MISSING),
    "InvalidBucketName": ("bucket", "“{bucket}” is not a valid bucket name.", "Correct ATELIER_S3_BUCKET."),
    "InvalidAccessKeyId": ("credentials", *CREDENTIALS),
    "SignatureDoesNotMatch": ("credentials", *CREDENTIALS),
    "InvalidToken": ("credentials", *CREDENTIALS),
    "InvalidClientTokenId": ("credentials", *CREDENTIALS),
    "ExpiredToken": ("credentials", "The credentials for the store have expired.", "Renew them and start again."),
    "RequestTimeTooSkewed": ("credentials", "The store rejects this machine's clock.", "Set it to the right time."),
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
"""Code of the store's answer -> trouble (for programs), message and hint."""

UNREACHABLE = (
    "unreachable",
    "The store at {where} cannot be reached ({why}).",
    "Check the network, the proxy variables and ATELIER_S3_ENDPOINT_URL.",
)
NO_CREDENTIALS = (
    "credentials",
    "There are no usable credentials for the store ({why}).",
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
)
TRANSIENT = frozenset({"SlowDown", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict"})
"""Codes of transient errors, whatever their status."""
PERMANENT_STATUSES = (501, 505)
"""Statuses from 500 that are not transient."""
UNKNOWN_HEADER = frozenset({"InvalidArgument", "InvalidRequest", "InvalidHeader", "UnsupportedHeader", "400"})
"""Codes with which stores refuse an unknown header; "400" is that of an empty answer."""
FAILING = ("failing", "The store is temporarily failing ({code}).", "Try again later.")
REFUSED = ("The store refused the call ({code}: {why}).", "Check the settings of the bucket.")


@contextmanager
def storage_errors(bucket: Bucket) -> Generator[None]:
    """Raise errors of the block as storage_failed, with `facts["trouble"]` for programs."""
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
        raise error_of_answer(bucket, answer, str(error.operation_name)) from None  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    except ParamValidationError:
        raise _failed(bucket, *ERRORS_BY_CODE["InvalidBucketName"]) from None
    except (ConnectionError, HTTPClientError) as error:
        raise _failed(bucket, *UNREACHABLE, where=_where(bucket), why=type(error).__name__) from None
    except BotoCoreError as error:  # the other boto3 errors concern credentials
        raise _failed(bucket, *NO_CREDENTIALS, why=type(error).__name__) from None
    except OSError as error:  # such as an unreadable certificate file
        raise _failed(bucket, *UNREACHABLE, where=_where(bucket), why=str(error)) from None


def may_refuse_condition(answer: dict[str, Any]) -> bool:
    """Return whether an error answer to a put may concern If-None-Match, which not every store supports."""
    status, code = _status(answer), answer.get("Error", {}).get("Code")
    return status in (405, 501) or (status == 400 and code in UNKNOWN_HEADER)


def _status(answer: dict[str, Any]) -> int:
    return answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def error_of_answer(bucket: Bucket, answer: dict[str, Any], call: str) -> ImageError:
    """Return the ImageError for an error answer of the store."""
    error = answer.get("Error", {})
    status, code = _status(answer), str(error.get("Code", ""))
    if code in ("401", "403", "Forbidden"):  # the code of an answer without a body
        code = "AccessDenied"
    if code in ERRORS_BY_CODE:
        return _failed(bucket, *ERRORS_BY_CODE[code], code=code, call=call)
    if status == 429 or (status >= 500 and status not in PERMANENT_STATUSES) or code in TRANSIENT:
        return _failed(bucket, *FAILING, code=code)
    return _failed(bucket, code, *REFUSED, code=code, why=str(error.get("Message", "")))


def _where(bucket: Bucket) -> str:
    return bucket.endpoint_url or "Amazon"


def _failed(bucket: Bucket, trouble: str, message: str, hint: str, **words: str) -> ImageError:
    text = message.format(bucket=bucket.name, **{name: sanitize(word, 120) for name, word in words.items()})
    return ImageError(Reason.STORAGE_FAILED, text, hint=hint, facts={"trouble": trouble, "bucket": bucket.name})
