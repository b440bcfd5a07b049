"""An error body in any dialect: its words, its codes, and the reason that they give.

A vendor's `explain` reads the vendor's own shape. What gateways make of it (LiteLLM, Azure, resellers) is read here for
all vendors alike, and so are errors that come in a 200.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from atelier.providers.core.errors import Reason, sanitize
from atelier.providers.transport.vendor_json import lenient_json, reason_for_status

MESSAGES = ("message", "msg", "error_message", "error_description", "detail")
CODES = ("code", "type", "status", "error_code", "status_code", "statusCode", "name", "reason")
INNER = ("innererror", "inner_error", "provider_specific_fields", "metadata", "details")
"""Fields of an error, as vendors and gateways call them; the first that is there counts."""

RESULTS = frozenset({
    "b64_json", "url", "image", "image_url", "sample", "polling_url", "data", "bytesBase64Encoded",
    "bytes_base64_encoded", "fileUri", "file_uri",
})  # fmt: skip
"""Fields whose text is an image, or leads to one."""

STATUSES: Mapping[str, int] = {
    word: status
    for status, words in {
        400: ("badrequest", "invalidrequesterror", "invalidargument", "failedprecondition", "invalidvalue"),
        401: ("unauthorized", "unauthenticated", "authenticationerror", "invalidapikey"),
        402: ("paymentrequired", "insufficientquota", "insufficientuserquota", "insufficientcredits",
              "insufficientbalance", "billinghardlimitreached"),
        403: ("forbidden", "permissiondenied", "permissionerror"),
        404: ("notfound", "notfounderror", "modelnotfound"),
        429: ("toomanyrequests", "ratelimited", "ratelimiterror", "ratelimitexceeded", "resourceexhausted"),
        500: ("internal", "internalerror", "internalservererror", "servererror"),
        503: ("unavailable", "serviceunavailable", "overloaded", "overloadederror"),
        504: ("timeout", "deadlineexceeded"),
    }.items()
    for word in words
}  # fmt: skip
"""A code in words, in small letters without separators -> the HTTP status that it stands for."""

POLICY_CODES = re.compile(
    r"contentfilter|contentpolicy|contentmoderat|responsibleaipolicy|^moderation|promptblocked|safetyviolation"
    r"|sensitivecontent|unsafecontent|nsfwcontent|datainspectionfailed"
)
"""Codes of refusals of the content, written as in STATUSES: OpenAI, Azure, LiteLLM, resellers."""

POLICY_WORDS = re.compile(
    r"content[ _-]?(management )?(policy|policies|filter)|ContentPolicyViolation|responsible ai"
    r"|safety (system|filter|polic|guideline)|usage (guidelines|policies)|\bnsfw\b|flagged (as|by|for)"
    r"|(?<!['\"`])\bmoderat\w*(?!['\"`\w])",  # in quotation marks it is the name of a parameter
    re.IGNORECASE,
)
"""The same where only the message says so."""

STATUSES_OF_POLICY = (*range(400), 400, 403, 422, 451)
"""Statuses with which a message may speak of the content; others speak of the key, the account or the moment."""


@dataclass(frozen=True, slots=True)
class VendorError:
    """What an error body says. `is_json`: it is JSON with words or codes, as an API writes it, and not a page."""

    message: str = ""
    codes: tuple[str, ...] = ()
    is_json: bool = False

    @property
    def code(self) -> str:
        """The code that says most: a word rather than a number."""
        return sanitize(next((code for code in self.codes if not code.isdecimal()), next(iter(self.codes), "")), 60)

    @property
    def status(self) -> int | None:
        """The HTTP status that the codes name or stand for."""
        numbers = (int(code) for code in self.codes if re.fullmatch(r"[45]\d\d", code))
        return next(numbers, next((STATUSES[word] for word in map(_squashed, self.codes) if word in STATUSES), None))

    def reason(self, status: int, own: Mapping[str, Reason]) -> Reason:
        """The reason by the vendor's `own` codes, else by content policy in any dialect, else by the status."""
        by_code = next((own[code] for code in self.codes if code in own), None)
        return by_code or (Reason.CONTENT_POLICY if self.refuses_content(status) else reason_for_status(status))

    def refuses_content(self, status: int) -> bool:
        """Whether it is the prompt or the images that are refused."""
        said = status in STATUSES_OF_POLICY and POLICY_WORDS.search(self.message)
        return bool(said) or any(POLICY_CODES.search(_squashed(code)) for code in self.codes)

    def sentence(self, title: str, status: int) -> str:
        """What is told of it: who answered, with which status and code, and the words as theirs."""
        return sentence(title, status, self.code, self.message)


def sentence(title: str, status: int, code: str, words: object) -> str:
    """What is told of an error: who answered, with which status and code, and the words as theirs."""
    coded = f" {code}" if code and code != str(status) else ""
    return f"{title} answered {status}{coded}" + (f": “{sanitize(words)}”" if words else ".")


def vendor_error(body: bytes) -> VendorError:
    """The error in a body. Of text that is no JSON and no web page the text is the message."""
    try:
        value = lenient_json(body)
    except ValueError:
        return VendorError(message=_plain(body))
    return _read(value)


def error_status(body: bytes) -> int | None:
    """The HTTP status that a success answer should have had: 200 for an error without a code, None for no error.

    An answer that also holds an image, or leads to one, is no error.
    """
    if b'"error' not in body and b'"success"' not in body and b'"code"' not in body:
        return None  # an ordinary answer, which may be large
    try:
        value = lenient_json(body)
    except ValueError:
        return None
    if not _is_error(value) or _holds_result(value):
        return None
    return _read(value).status or HTTPStatus.OK


def is_page(body: bytes) -> bool:
    """Whether it is a web page, whatever its content type says; no answer that can be used begins like one."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def _read(value: Any) -> VendorError:
    layers = list(_layers(value))
    words = (layer[name] for layer in layers for name in MESSAGES if isinstance(layer.get(name), str))
    codes = (str(layer[name]) for layer in layers for name in CODES if type(layer.get(name)) in (str, int))
    message = next((text for text in words if text), _bare_words(value))
    known = tuple(dict.fromkeys(code for code in codes if code not in ("", "error")))
    return VendorError(message, known, is_json=isinstance(value, dict | list) and bool(message or known))


def _layers(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of an error body: the error itself, what lies within it, then what it lies in."""
    match value:
        case list():
            for item in cast("list[Any]", value)[:10]:
                yield from _layers(item)
        case dict():
            body = cast("dict[str, Any]", value)
            for name in ("error", "errors"):
                yield from _layers(body.get(name))
            if isinstance(body.get("data"), list):  # of several images, one may have failed
                yield from (layer for item in body["data"][:10] if _is_error(item) for layer in _layers(item))
            yield body
            for name in INNER:
                yield from _layers(body.get(name))
        case _:
            pass


def _bare_words(value: Any) -> str:
    """The words of `{"error": "words"}` and `{"errors": ["words"]}`."""
    body = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    for error in (body.get("error"), body.get("errors")):
        texts = cast("list[Any]", error) if isinstance(error, list) else [error]
        if words := "; ".join(text for text in texts if isinstance(text, str)):
            return words
    return value if isinstance(value, str) else ""


def _is_error(value: Any) -> bool:
    """Whether a JSON value says of itself that it is an error."""
    if isinstance(value, list):
        return any(_is_error(item) for item in cast("list[Any]", value)[:10])
    if not isinstance(value, dict):
        return False
    body = cast("dict[str, Any]", value)
    coded = re.fullmatch(r"[45]\d\d", str(body.get("code"))) and (body.get("message") or body.get("msg"))
    named = body.get("error") or body.get("errors") or body.get("success") is False or body.get("type") == "error"
    return bool(named or coded or _is_error(body.get("data")))


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
    """Text that a gateway wrote; broken JSON is not quoted, as it may spell a prompt so that it is not struck out."""
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return ""
    return "" if text.startswith(("<", "{", "[")) or "\0" in text else text


def _squashed(code: str) -> str:
    return re.sub(r"[^a-z0-9]", "", code.lower())
