"""How an answer's body is read: JSON into a vendor's own small model, base64 into bytes, a status into a reason."""

from __future__ import annotations

import binascii
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import pybase64
from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from atelier.providers.core.errors import ImageError, Reason

Shape = TypeVar("Shape", bound=BaseModel)
Anything = TypeVar("Anything")


class Lenient(BaseModel):
    """The part of a vendor's answer that we read; what the vendor adds is not our business."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


Loose = Annotated[Anything | None, WrapValidator(_or_none)]
"""`Loose[int]`: what is beside the point of an answer and must not cost a paid picture when it is odd."""


def parsed(shape: type[Shape], body: bytes) -> Shape:
    """The JSON of a success answer; invalid_response when it is broken or of another shape."""
    try:
        return shape.model_validate_json(body)
    except ValidationError:
        raise bad_answer("The vendor's answer is broken or not of the expected shape.") from None


def parsed_refusal(shape: type[Shape], body: bytes) -> Shape:
    """The JSON of an error answer; all absent when a gateway in between wrote something else."""
    try:
        return shape.model_validate_json(body)
    except ValidationError:
        return shape()


def event_data(body: bytes) -> list[bytes]:
    """The `data` of every event in a text/event-stream, in order (WHATWG HTML, server-sent events)."""
    blocks = body.replace(b"\r\n", b"\n").split(b"\n\n")
    lines = [[line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:")] for block in blocks]
    return [b"\n".join(data) for data in lines if data and data != [b"[DONE]"]]


def base64_bytes(text: str) -> bytes:
    """Base64 as vendors write it: plain or url-safe, with or without padding, line breaks or a `data:` prefix."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return pybase64.b64decode(text, validate=True)  # the fast path; the lenient default drops bytes silently
    except (binascii.Error, ValueError):
        text = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise bad_answer("The vendor sent a picture in broken base64.") from None


def bad_answer(message: str) -> ImageError:
    """A success answer that cannot be used: the work was done, so it may have been billed."""
    return ImageError(
        Reason.INVALID_RESPONSE,
        message,
        hint="Try again or use another model; the vendor may have billed this call.",
        facts={"outcome": "unknown"},
    )


def reason_of(status: int) -> Reason:
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
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.CONFLICT:
            return Reason.PROVIDER_UNAVAILABLE
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Reason.PROVIDER_UNAVAILABLE
        case _:
            return Reason.INVALID_REQUEST
