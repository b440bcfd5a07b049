"""Tests of reading answers: base64 variants, broken JSON, text from outside."""

from __future__ import annotations

import base64
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.transport.vendor_json import (
    VendorModel,
    base64_bytes,
    lenient_json,
    parse_answer,
    parse_refusal,
    reason_for_status,
    spelled,
)


class Shape(VendorModel):
    name: str = "none"


@given(st.binary(max_size=400))
def test_every_variant_of_base64_is_decoded(data: bytes) -> None:
    plain = base64.b64encode(data).decode()
    lines = "\n".join(plain[i : i + 7] for i in range(0, len(plain), 7))
    url_safe = base64.urlsafe_b64encode(data).decode()
    escaped = lines.replace("\n", "\\r\\n")
    whole = (plain, plain.rstrip("="), lines, url_safe, f"data:image/png;base64,{plain}")
    for text in (*whole, escaped, f'"{plain}"', f"b'{plain}'\n"):
        assert base64_bytes(text) == data


@pytest.mark.parametrize("text", ["!!!!", "a", "ü", "AAAA*"])
def test_broken_base64_is_an_invalid_response(text: str) -> None:
    with pytest.raises(ImageError) as caught:
        base64_bytes(text)
    assert caught.value.reason is Reason.INVALID_RESPONSE


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"<html>", b'{"name": 7}', b"\xff\xfe"])
def test_a_broken_success_is_an_invalid_response_and_a_broken_refusal_is_empty(body: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        parse_answer(Shape, body)
    assert caught.value.reason is Reason.INVALID_RESPONSE
    assert parse_refusal(Shape, body).name == "none"


DAMAGED: list[tuple[bytes, str]] = [
    (b'\xef\xbb\xbf{"name": "x"}', "x"),
    (b' \r\n\xef\xbb\xbf {"name": "x"}\n\0', "x"),
    ('{"name": "x\u00e4"}'.encode("utf-16"), "x\u00e4"),
    ('{"name": "x\u00e4"}'.encode("utf-16-be"), "x\u00e4"),
    (b'{"name": "a B\xe4r"}', "a B\ufffdr"),
    (b'{"name": "a\n\tb"}', "a\n\tb"),
    (b'{"name": "x\\ud83e"}', "x\ufffd"),
    (b'{"\\ude00": ["\\ud83e"], "name": "\\ud83d\\ude00"}', "\U0001f600"),
    (b'{"name": "x", "score": [NaN, Infinity, -Infinity]}', "x"),
    (b'{"name": "x", "deep": ' + b"[" * 300 + b"]" * 300 + b"}", "x"),
]


@pytest.mark.parametrize(("body", "name"), DAMAGED)
def test_damaged_json_is_repaired_in_results_and_in_refusals(body: bytes, name: str) -> None:
    assert parse_answer(Shape, body).name == parse_refusal(Shape, body).name == name


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"code": 0, "message": "ok", "data": {"name": "x"}}', "x"),
        (b'{"statusCode": 200, "body": {"response": {"name": "x"}, "request_id": "7"}}', "x"),
        (b'{"name": "x", "data": {"name": "y"}}', "x"),
        (b'{"data": {"name": "x"}, "usage": {"name": "y"}}', "none"),
        (b'{"data": {"data": {}}}', "none"),
        (b'{"images": [1], "data": {"name": "y"}}', "none"),
        (b'{"url": "https://host.example", "timings": {"name": "y"}}', "none"),
    ],
)
def test_an_answer_is_found_in_the_only_object_around_it(body: bytes, name: str) -> None:
    assert parse_answer(Shape, body).name == name


class State(VendorModel):
    status: Annotated[str, spelled("Ready", "IN_PROGRESS", "Task not found")] = ""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("READY", "Ready"),
        ("in-progress", "IN_PROGRESS"),
        ("task_not_found", "Task not found"),
        ("Readying", "Readying"),
    ],
)
def test_a_state_in_other_letters_is_the_known_one(sent: str, status: str) -> None:
    assert parse_answer(State, f'{{"status": "{sent}"}}'.encode()).status == status


@pytest.mark.parametrize("body", [b"", b"no", b'{"name": "x', b"[" * 1_000_000], ids=["empty", "words", "cut", "deep"])
def test_text_that_is_not_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        lenient_json(body)


def test_unknown_fields_are_ignored() -> None:
    assert parse_answer(Shape, b'{"name": "x", "new": {"field": 1}}').name == "x"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.INVALID_REQUEST),
        (401, Reason.AUTHENTICATION),
        (402, Reason.QUOTA_EXCEEDED),
        (403, Reason.AUTHENTICATION),
        (404, Reason.UNKNOWN_MODEL),
        (408, Reason.PROVIDER_UNAVAILABLE),
        (409, Reason.PROVIDER_UNAVAILABLE),
        (413, Reason.INVALID_REQUEST),
        (422, Reason.INVALID_REQUEST),
        (429, Reason.RATE_LIMITED),
        (500, Reason.PROVIDER_UNAVAILABLE),
        (503, Reason.PROVIDER_UNAVAILABLE),
        (529, Reason.PROVIDER_UNAVAILABLE),
    ],
)
def test_a_status_has_a_reason(status: int, reason: Reason) -> None:
    assert reason_for_status(status) is reason


@given(st.text(max_size=600))
def test_sanitized_text_is_one_short_line_without_hidden_characters(words: str) -> None:
    said = sanitize(words)
    assert len(said) <= 240
    assert said.isprintable()


IMAGE = bytes(range(256)) * 2
PATH = (
    "http://host:1/v1/projects/a-project/locations/us-central1/publishers/google/models/gemini-3-pro-image-preview:go"
)


def test_an_image_in_a_text_is_hidden_and_a_long_address_is_not() -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
        assert sanitize(f"No: {encode(IMAGE).decode()}.") == "No: [base64] ."
    assert sanitize(f"Not found: {PATH}") == f"Not found: {PATH}"


def test_only_temporary_reasons_are_retryable() -> None:
    retryable = {reason for reason in Reason if ImageError(reason, "x").retryable}
    assert retryable == {Reason.RATE_LIMITED, Reason.PROVIDER_UNAVAILABLE, Reason.TIMEOUT, Reason.NETWORK_ERROR}
    assert len(Reason) == 17
