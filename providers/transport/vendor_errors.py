"""Read error bodies of any shape: their messages and codes, and the Reason that follows.

A vendor's `explain` reads the vendor's own shape. Shapes of gateways (LiteLLM, Azure, resellers) and errors in a 200
are read here for all vendors alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from atelier.providers.core.errors import Reason, sanitize
from atelier.providers.transport.refusal_words import (
    OTHER_WORDS,
    POLICY_CODES,
    POLICY_WORDS,
    STATUSES,
    STATUSES_OF_POLICY,
)
from atelier.providers.transport.vendor_json import (
    is_event_stream,
    lenient_json,
    letters_of,
    reason_for_status,
    sse_data,
)

MESSAGES = ("message", "msg", "error_message", "error_description", "detail", "error")
CODES = ("code", "type", "status", "error_code", "status_code", "statusCode", "name", "reason")
INNER = ("innererror", "inner_error", "provider_specific_fields", "metadata", "details", "message", "detail")
"""Field names of vendors and gateways; the first that is present counts."""

NO_CODES = ("", "error", "None", "null")  # LiteLLM writes None as a text

GATEWAY_FIELDS = frozenset({"message", "request_id", "requestId"})
"""All fields of the errors of AWS's API Gateway, Kong and the like. A vendor's own error has more."""

RESULTS = frozenset({
    "b64_json", "url", "image", "image_url", "sample", "polling_url", "data", "bytesBase64Encoded",
    "bytes_base64_encoded", "fileUri", "file_uri",
})  # fmt: skip
"""Fields that hold an image or a link to one."""

FAILED = ("failed", "failure", "fail")  # states of a task
NO_ERROR = re.compile(r"[0+]+|1|2\d\d|ok|success\w*", re.IGNORECASE)
"""Codes and words of success."""


@dataclass(frozen=True, slots=True)
class VendorError:
    """The content of an error body. `is_json`: JSON as a vendor's API writes it, not a gateway's."""

    message: str = ""
    codes: tuple[str, ...] = ()
    is_json: bool = False

    @property
    def code(self) -> str:
        """The most specific code: a word rather than a number."""
        return sanitize(next((code for code in self.codes if not code.isdecimal()), next(iter(self.codes), "")), 60)

    @property
    def status(self) -> int | None:
        """The HTTP status in the codes, or that they stand for."""
        numbers = (int(code) for code in self.codes if re.fullmatch(r"[45]\d\d", code))
        return next(numbers, next((STATUSES[word] for word in map(letters_of, self.codes) if word in STATUSES), None))

    @property
    def _own_words(self) -> str:
        """The message without the prompt, which some vendors repeat."""
        return sanitize(self.message, 1000)

    def reason(self, status: int, own: Mapping[str, Reason]) -> Reason:
        """Return the reason by the vendor's `own` codes, else content policy by any known code, else by the status."""
        by_code = next((own[code] for code in self.codes if code in own), None)
        return by_code or (Reason.CONTENT_POLICY if self.refuses_content(status) else reason_for_status(status))

    def refuses_content(self, status: int) -> bool:
        """Whether the prompt or the images were refused."""
        by_message = status in STATUSES_OF_POLICY and POLICY_WORDS.search(self._own_words)
        return bool(by_message) or any(POLICY_CODES.search(letters_of(code)) for code in self.codes)

    def other_status(self, status: int) -> int | None:
        """Return the status that a refusal's words or codes stand for, if that is another one of OTHER_WORDS."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        meant = next((other for other, words in OTHER_WORDS.items() if words.search(self._own_words)), self.status)
        return meant if meant in OTHER_WORDS and meant != status else None

    def sentence(self, title: str, status: int) -> str:
        """Return the message for the user: the vendor, status and code, and the vendor's message in quotes."""
        return sentence(title, status, self.code, self.message)


def sentence(title: str, status: int, code: str, message: object) -> str:
    """Return the message of an error: the vendor, status and code, and the vendor's message in quotes."""
    coded = f" {code}" if code and code != str(status) else ""
    return f"{title} answered {status}{coded}" + (f": “{sanitize(message)}”" if message else ".")


def vendor_error(body: bytes) -> VendorError:
    """Parse an error body. Plain text that is neither JSON nor a web page is the message."""
    try:
        value = lenient_json(body)
    except ValueError:
        return VendorError(message=_plain(body))
    return _read(value)


WEB_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
"""The start of a web page, regardless of its content type. No usable answer begins with “<”."""

MAX_ERROR_IN_200 = 2**20  # bytes; a larger answer holds an image
ERROR_FIELDS = re.compile(rb'"(?:error|success"|(?:status_?|statusC)?code"|status"|type")')


def error_status(body: bytes) -> int | None:
    """Return the status that an error in a 200 stands for: 200 if it has no code, None if there is no error.

    An answer with an image, or a link to one, is not an error.
    """
    if len(body) > MAX_ERROR_IN_200 or not ERROR_FIELDS.search(body):
        return None
    try:
        value = lenient_json(body)
    except ValueError:
        return None
    if not _is_error(value) or _holds_result(value):
        return None
    return _read(value).status or HTTPStatus.OK


def holds_whole_result(body: bytes) -> bool:
    """Whether a body that broke off is whole nevertheless: a JSON value, or a stream with a finished image."""
    try:
        if not is_event_stream(body):
            return isinstance(lenient_json(body), dict | list)
        return any(b"partial_image" not in data and _holds_result(lenient_json(data)) for data in sse_data(body))
    except ValueError:
        return False


def _read(value: Any) -> VendorError:
    layers = list(_layers(value))
    words = (layer[name] for layer in layers for name in MESSAGES if isinstance(layer.get(name), str))
    codes = (str(layer[name]) for layer in layers for name in CODES if type(layer.get(name)) in (str, int))
    message = next((text for text in words if text), _bare_words(value))
    known = tuple(dict.fromkeys(code for code in codes if code not in NO_CODES))
    is_own = isinstance(value, list) or (isinstance(value, dict) and not value.keys() <= GATEWAY_FIELDS)
    return VendorError(message, known, is_json=is_own and bool(message or known))


def _layers(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of an error body: the error, the objects in it, then the objects around it."""
    match value:
        case list():
            for item in cast("list[Any]", value)[:10]:
                yield from _layers(item)
        case dict():
            body = cast("dict[str, Any]", value)
            yield from _passed_on(body)
            for name in ("error", "errors"):
                yield from _layers(body.get(name))
            if isinstance(body.get("data"), list):  # of several images, one may have failed
                yield from (layer for item in body["data"][:10] if _is_error(item) for layer in _layers(item))
            yield body
            for name in INNER:
                yield from _layers(body.get(name))
        case _:
            pass


def _passed_on(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects of an error that OpenRouter passes on as a text: it says more than the one around it."""
    metadata = body.get("metadata")
    raw = cast("dict[str, Any]", metadata).get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str) and raw.lstrip().startswith("{"):
        with suppress(ValueError):
            yield from _layers(lenient_json(raw.encode()))


def _bare_words(value: Any) -> str:
    """Return the message of `{"error": "message"}` and `{"errors": ["message"]}`."""
    body = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    for error in (body.get("error"), body.get("errors")):
        texts = cast("list[Any]", error) if isinstance(error, list) else [error]
        if words := "; ".join(text for text in texts if isinstance(text, str)):
            return words
    return _plain(value.encode()) if isinstance(value, str) else ""


def _is_error(value: Any) -> bool:
    """Whether a JSON value has the fields of an error."""
    if isinstance(value, list):
        return any(_is_error(item) for item in cast("list[Any]", value)[:10])
    if not isinstance(value, dict):
        return False
    body = cast("dict[str, Any]", value)
    named = body.get("error") or body.get("errors") or body.get("success") is False or body.get("type") == "error"
    return bool(named or _has_code_of_error(body) or _is_error(body.get("data")))


def _has_code_of_error(body: Mapping[str, Any]) -> bool:
    """Whether an object has the code of an error, and words for it.

    Hosts count errors by numbers of their own, such as -1 or 1001; these are believed where nothing else is there.
    """
    words = next((body[name] for name in MESSAGES if isinstance(body.get(name), str) and body[name]), None)
    codes = [str(body[name]) for name in ("code", "status", "status_code", "statusCode", "type") if body.get(name)]
    if words is None or any(re.fullmatch(r"[45]\d\d", code) for code in codes):
        return words is not None
    if any(isinstance(field, dict | list) or str(field).startswith("http") for field in body.values() if field):
        return False
    failed = any(code.lower() in FAILED or code.lower().endswith("error") for code in codes)
    return failed or not (NO_ERROR.fullmatch(str(body.get("code") or "0")) or NO_ERROR.fullmatch(words))


def _holds_result(value: Any) -> bool:
    match value:
        case list():
            return any(_holds_result(item) for item in cast("list[Any]", value))
        case dict():
            items = cast("dict[str, Any]", value).items()
            return any(
                (name in RESULTS and isinstance(item, str) and item != "")
                or (name not in ("error", "errors", "detail") and _holds_result(item))
                for name, item in items
            )
        case _:
            return False


def _plain(body: bytes) -> str:
    """Return a gateway's text. Broken JSON is dropped, because a prompt in it may be escaped and so not redacted."""
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return ""
    return "" if text.startswith(("<", "{", "[")) or "\0" in text else text
