"""How an answer's body is read: JSON into a vendor's own small model, base64 into bytes, a status into a reason."""

from __future__ import annotations

import binascii
import json
import re
from http import HTTPStatus
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import unquote

import pybase64
from pydantic import (
    AliasChoices,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from atelier.providers.core.errors import ImageError, Reason

Shape = TypeVar("Shape", bound=BaseModel)
Anything = TypeVar("Anything")


def _spellings(name: str) -> AliasChoices:
    """The names of a field in an answer: gateways change snake_case to camelCase and back."""
    return AliasChoices(name, to_camel(name))


class VendorModel(BaseModel):
    """The part of a vendor's answer that we read, in snake_case or camelCase; unknown fields are ignored."""

    model_config = ConfigDict(
        extra="ignore", hide_input_in_errors=True, alias_generator=AliasGenerator(validation_alias=_spellings)
    )


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


Lenient = Annotated[Anything | None, WrapValidator(_or_none)]
"""`Lenient[int]`: what is beside the point of an answer and must not cost a paid picture when it is odd."""


SURROGATE = re.compile("[\ud800-\udfff]")  # one of a pair is an emoji cut in half, which no UTF-8 can hold


def lenient_json(body: bytes) -> Any:
    """The JSON value in a vendor's body, repaired where a gateway or an encoder damaged it. Raises ValueError.

    Repaired are a byte order mark, UTF-16, bytes that are no UTF-8, raw control characters and lone surrogates. An
    ordinary body may hold hundreds of MB of base64, so it is read by the fast parser and repaired only if that fails.
    """
    try:
        return from_json(body)
    except ValueError:
        text = body.decode(json.detect_encoding(body), "replace").strip("\ufeff\0 \t\r\n")
    try:
        return _without_surrogates(json.loads(text, strict=False))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _without_surrogates(value: Any) -> Any:
    """The same JSON value with a replacement character for each lone surrogate."""
    match value:
        case str():
            return SURROGATE.sub("\ufffd", value)
        case list():
            return [_without_surrogates(item) for item in cast("list[Any]", value)]
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {_without_surrogates(name): _without_surrogates(item) for name, item in items}
        case _:
            return value


def parse_answer(shape: type[Shape], body: bytes) -> Shape:
    """The JSON of a success answer; invalid_response when it is broken or of another shape."""
    try:
        return shape.model_validate(lenient_json(body))
    except ValueError:  # a ValidationError is one
        raise invalid_response("The vendor's answer is broken or not of the expected shape.") from None


def parse_refusal(shape: type[Shape], body: bytes) -> Shape:
    """The JSON of an error answer; all absent when a gateway in between wrote something else."""
    try:
        return shape.model_validate(lenient_json(body))
    except ValueError:
        return shape()


EVENT_STREAM = re.compile(rb"[\xef\xbb\xbf\s]*(?:data|event|id|retry)?:")
LINE_END = re.compile(rb"\r\n|\n|\r")


def is_event_stream(body: bytes) -> bool:
    """Whether a body is a text/event-stream. Its beginning decides, because gateways mix up the content types."""
    return EVENT_STREAM.match(body) is not None


def sse_data(body: bytes) -> list[bytes]:
    """The JSON objects in a text/event-stream, in order (WHATWG HTML, server-sent events).

    Comments, pings, events without data and `[DONE]` are no JSON objects.
    """
    events = [list[bytes]()]
    for line in LINE_END.split(body.removeprefix(b"\xef\xbb\xbf")):
        if not line:
            events.append([])
        elif line.startswith(b"data:"):
            events[-1].append(line[5:].strip())
    return [data for lines in events if (data := b"\n".join(lines)).startswith(b"{")]


def base64_bytes(text: str) -> bytes:
    """Base64 as vendors write it: plain or url-safe, with or without padding, line breaks or a `data:` prefix."""
    if is_data_uri(text):
        text = unquote(text.partition(",")[2])
    try:
        return pybase64.b64decode(text, validate=True)  # the fast path; the lenient default drops bytes silently
    except (binascii.Error, ValueError):
        text = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_response("The vendor sent a picture in broken base64.") from None


def is_data_uri(text: str) -> bool:
    """Whether a text holds its data itself (RFC 2397)."""
    return text[:64].lstrip()[:5].lower() == "data:"


def invalid_response(message: str) -> ImageError:
    """A success answer that cannot be used: the work was done, so it may have been billed."""
    return ImageError(
        Reason.INVALID_RESPONSE,
        message,
        hint="Try again or use another model; the vendor may have billed this call.",
        facts={"outcome": "unknown"},
    )


def reason_for_status(status: int) -> Reason:
    """What an HTTP status means where the vendor's own code does not say it better."""
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Reason.AUTHENTICATION
        case HTTPStatus.PAYMENT_REQUIRED:
            return Reason.QUOTA_EXCEEDED
        case HTTPStatus.NOT_FOUND:
            return Reason.UNKNOWN_MODEL
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Reason.RATE_LIMITED
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.CONFLICT | 499:  # 499: a gateway's client closed the connection
            return Reason.PROVIDER_UNAVAILABLE
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status < HTTPStatus.BAD_REQUEST:  # an error in a 200
            return Reason.PROVIDER_UNAVAILABLE
        case _:
            return Reason.INVALID_REQUEST
