"""Read vendors' answers leniently: JSON into a small model, base64 into bytes, a status into a Reason."""

from __future__ import annotations

import binascii
import json
import re
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import unquote

import pybase64
from pydantic import (
    AliasChoices,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from atelier.providers.core.errors import ImageError, Reason

Shape = TypeVar("Shape", bound=BaseModel)
Anything = TypeVar("Anything")


def _spellings(name: str) -> AliasChoices:
    """Return the accepted names of a field, because gateways change snake_case to camelCase and back."""
    return AliasChoices(name, to_camel(name))


class VendorModel(BaseModel):
    """Base class for the fields of a vendor's answer, in snake_case or camelCase; unknown fields are ignored.

    A field that is null counts as absent, because gateways write null where the vendor leaves a field out.
    """

    model_config = ConfigDict(
        extra="ignore", hide_input_in_errors=True, alias_generator=AliasGenerator(validation_alias=_spellings)
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: field for name, field in cast("dict[str, Any]", value).items() if field is not None}


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


Lenient = Annotated[Anything | None, WrapValidator(_or_none)]
"""`Lenient[int]`: None if the value is invalid. For fields that must not cost a paid image."""


def spelled(*known: str) -> BeforeValidator:
    """Return a validator that gives a word its known spelling if it differs only in case, spaces, hyphens or `_`.

    Gateways rewrite the states of tasks: "Ready" as "ready", "IN_PROGRESS" as "in-progress".
    """
    by_letters = {letters_of(word): word for word in known}

    def known_spelling(value: Any) -> Any:
        return by_letters.get(letters_of(value), value) if isinstance(value, str) else value

    return BeforeValidator(known_spelling)


def letters_of(word: str) -> str:
    """Return the ASCII letters and digits of a word, in lower case."""
    return re.sub(r"[^a-z0-9]", "", word.lower())


SURROGATE = re.compile("[\ud800-\udfff]")  # half of an emoji, which UTF-8 cannot encode


def lenient_json(body: bytes) -> Any:
    """Return the JSON value of a body, repaired if a gateway or an encoder damaged it. Raises ValueError.

    Repaired are a byte order mark, UTF-16, bytes that are not UTF-8, raw control characters, lone surrogates, and text
    after an object or list. A body may hold hundreds of MB of base64, so the fast parser reads it first. The value of
    an event stream, as which some gateways send any answer, is that of its one event, or the list of them all.
    """
    try:
        return from_json(body)
    except ValueError:
        if events := sse_data(body) if is_event_stream(body) else []:
            values = [lenient_json(event) for event in events]
            return values[0] if len(values) == 1 else values
        text = body.decode(json.detect_encoding(body), "replace").strip("\ufeff\0 \t\r\n")
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if end < len(text) and not isinstance(value, dict | list):  # a sentence that begins with a number
        raise ValueError("it is text")
    return _without_surrogates(value)


def _without_surrogates(value: Any) -> Any:
    """Replace each lone surrogate in a JSON value."""
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
    """Parse a success answer. Raises invalid_response if it is broken or of another shape.

    A gateway may put the vendor's answer into an object of its own, as `{"code": 0, "data": {...}}`.
    """
    try:
        value = lenient_json(body)
        return shape.model_validate(_unwrapped(value, _names_of(shape)))
    except ValueError:  # a ValidationError is one
        raise invalid_response("The vendor's answer is broken or not of the expected shape.") from None


ENVELOPES = ("data", "result", "results", "response", "output", "body", "payload")
"""Names under which gateways put a vendor's answer."""


def _unwrapped(value: Any, names: frozenset[str]) -> Any:
    """Return the object with one of the names that is in an envelope, else the value.

    An envelope has none of the names, no list, and one object under one of ENVELOPES.
    """
    inner = value
    while isinstance(inner, dict):
        fields = cast("dict[str, Any]", inner)
        if not names.isdisjoint(fields):
            return fields
        parts = [name for name, field in fields.items() if isinstance(field, dict | list) and bool(cast("Any", field))]
        inner = fields[parts[0]] if len(parts) == 1 and parts[0] in ENVELOPES else None
    return value


@cache
def _names_of(shape: type[BaseModel]) -> frozenset[str]:
    """Return the names under which a model's fields are read."""
    aliases = (field.validation_alias or name for name, field in shape.model_fields.items())
    return frozenset(
        choice
        for alias in aliases
        for choice in (alias.choices if isinstance(alias, AliasChoices) else (alias,))
        if isinstance(choice, str)
    )


def parse_refusal(shape: type[Shape], body: bytes) -> Shape:
    """Parse an error answer; all fields are absent if a gateway wrote something else."""
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
    """Return the JSON objects of a text/event-stream, in order (WHATWG HTML, server-sent events).

    Comments, pings, events without data and `[DONE]` are skipped. A line of bare JSON counts as data, because some
    hosts send comments while they work and then the plain answer.
    """
    events = [list[bytes]()]
    for line in LINE_END.split(body.removeprefix(b"\xef\xbb\xbf")):
        if not line:
            events.append([])
        elif line.startswith(b"data:"):
            events[-1].append(line[5:].strip())
        elif line.startswith(b"{"):
            events.append([line])
    return [data for lines in events if (data := b"\n".join(lines)).startswith(b"{")]


AROUND_BASE64 = re.compile(r"\s+|\\[rn]|^\s*b?['\"]|['\"]\s*$")
"""Line breaks, as such or as JSON escapes them, and quotes, as Python prints them around bytes."""


def base64_bytes(text: str) -> bytes:
    """Decode base64 as vendors write it: plain or url-safe, with or without padding, line breaks or `data:` prefix."""
    if is_data_uri(text):
        text = unquote(text.partition(",")[2])
    try:
        return pybase64.b64decode(text, validate=True)  # the fast path; the lenient default drops bytes silently
    except (binascii.Error, ValueError):
        text = AROUND_BASE64.sub("", text).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_response("The vendor sent an image in broken base64.") from None


def is_data_uri(text: str) -> bool:
    """Whether a text is a data URI (RFC 2397)."""
    return text[:64].lstrip()[:5].lower() == "data:"


def invalid_response(message: str) -> ImageError:
    """Return the error for a success answer that cannot be used; the vendor may have billed it."""
    return ImageError(
        Reason.INVALID_RESPONSE,
        message,
        hint="Try again or use another model; the vendor may have billed this call.",
        facts={"outcome": "unknown"},
    )


def reason_for_status(status: int) -> Reason:
    """Return the Reason of an HTTP status, for errors without a known code."""
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
