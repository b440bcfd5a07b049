"""Refusals whose words or pages say more than their status, read for all vendors alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atelier.providers.core.errors import ImageError, Reason, redacting
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.response import check_response
from atelier.providers.transport.retry import PaidRequest
from atelier.providers.transport.wire import httpx
from atelier.providers.vendors.openai.refusals import explain

PAGE = b"<html><title>Attention Required!</title></html>"


def said(message: Any, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "None", "code": None, **fields}}


def refused(status: int, body: Any, **headers: str) -> ImageError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx.Response(status, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})
    endpoint = Endpoint(base_url="https://proxy.example/v1", base_url_variable="OPENAI_BASE_URL", base_path="/v1")
    paid = PaidRequest(lambda _: None, None, retry_timeouts=False)
    url = httpx.URL("https://proxy.example/v1/images")
    with pytest.raises(ImageError) as caught:
        check_response(answer, url, endpoint, explain, with_key=True, paid=paid)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, said({"error": "Violated guardrail policy"}), Reason.CONTENT_POLICY),  # of LiteLLM
        (424, {"error": [{"code": 2016, "message": "Prompt blocked due to security configurations"}]},
         Reason.CONTENT_POLICY),  # of Cloudflare's AI gateway
        (446, said("The guardrail checks defined in the config failed."), Reason.CONTENT_POLICY),  # of Portkey
        (451, {"code": 20031, "message": "Sensitive content is detected"}, Reason.CONTENT_POLICY),
        (400, said("user sensitive words detected", code="sensitive_words_detected"), Reason.CONTENT_POLICY),
        (403, said("", code="insufficient_user_quota"), Reason.QUOTA_EXCEEDED),
        (403, said("Key limit exceeded (monthly limit)."), Reason.QUOTA_EXCEEDED),  # of OpenRouter
        (400, said("Imagen API is only accessible to billed users at this time."), Reason.QUOTA_EXCEEDED),
        (400, said("Your credit balance is too low to access the API."), Reason.QUOTA_EXCEEDED),
        (429, said("You have run out of credits"), Reason.QUOTA_EXCEEDED),
        (200, {"success": False, "message": "Insufficient balance"}, Reason.QUOTA_EXCEEDED),
        (400, said("API key not valid. Please pass a valid API key."), Reason.AUTHENTICATION),
        (400, said("litellm.BadRequestError: Invalid model name passed in model=x."), Reason.UNKNOWN_MODEL),
        (429, said("Rate limit reached for the model."), Reason.RATE_LIMITED),
        (400, said("Unknown parameter: 'moderation'."), Reason.INVALID_REQUEST),
        (503, said("Insufficient balance of the load"), Reason.PROVIDER_UNAVAILABLE),
    ],
)  # fmt: skip
def test_the_words_of_a_refusal_say_its_reason(status: int, body: Any, reason: Reason) -> None:
    error = refused(status, body)
    assert error.reason is reason
    assert "None" not in error.message


def test_words_of_the_prompt_are_no_reason() -> None:
    with redacting("a shop that has run out of credits"):
        error = refused(400, said("Bad prompt: a shop that has run out of credits"))
    assert error.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_a_page_in_place_of_a_refusal_is_told(status: int) -> None:
    assert "proxy or firewall" in refused(status, PAGE).hint


def test_a_long_wait_is_told() -> None:
    assert "in 3600 seconds" in refused(429, said("Slow down."), retry_after="3600").hint


def test_a_redirect_is_told_with_its_target() -> None:
    error = refused(301, b"", location="https://api.example/v1/images?key=1")
    assert "OPENAI_BASE_URL" in error.hint
    assert "https://api.example/v1/images." in error.hint


def test_a_lost_connection_behind_litellm_may_be_billed() -> None:
    error = refused(500, said("litellm.InternalServerError: OpenAIException - Connection error."))
    assert error.outcome_unknown
    assert "may have done and billed the work" in error.hint
