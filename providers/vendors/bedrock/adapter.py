"""Bedrock: POST /model/{id}/invoke with JSON; one image comes back as base64, or why it was withheld, in a 200.

Facts: AWS's user guide and botocore 1.44 as of 2026-11-29. No answer states a price, nor whether a withheld image is
billed.
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

import pybase64
from pydantic import AliasChoices, Field

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    base64_bytes,
    invalid_response,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.bedrock.models import TRANSFER, invoked_id
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.stability.forms import fields_of, files_of, strength_of

BEARER, REGION, AWS_REGION = "AWS_BEARER_TOKEN_BEDROCK", "BEDROCK_REGION", "AWS_REGION"
US_WEST = "us-west-2"  # the one region that is known to have all of these models

ENDPOINT = Endpoint(
    base_url=f"https://bedrock-runtime.{US_WEST}.amazonaws.com",
    base_url_variable="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    key_variables=(BEARER, REGION),
    variables=(AWS_REGION,),
    key_page="https://console.aws.amazon.com/bedrock/home#/api-keys",
    timeout=180.0,
    ambient=True,
)


def region_of(endpoint: Endpoint) -> str:
    """Return the region of the settings. Raises invalid_request for a name that is none."""
    region = endpoint.setting(REGION) or endpoint.setting(AWS_REGION) or US_WEST
    if not re.fullmatch(r"[a-z0-9-]{2,40}", region):
        message = "The region for Bedrock is not the name of one."
        hint = f"Set ATELIER_{REGION} or {AWS_REGION} to a region such as {US_WEST}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint=hint)
    return region


def locate(endpoint: Endpoint) -> str:
    """Return the base URL of the region in the settings."""
    return f"https://bedrock-runtime.{region_of(endpoint)}.amazonaws.com"


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent, except a strength that the model requires."""
    fields = {name: value for name, value in fields_of(job).items() if name != "model"}
    files = files_of(job)
    if job.model.wire == TRANSFER:
        if len(job.request.sources) != 2:
            message = f"{job.model.id} needs two source images: the one to change, then the one with the style."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Give both and call again.")
        files = list(zip(("init_image", "style_image"), job.request.sources, strict=True))
    images = {name: pybase64.b64encode(image.image_bytes).decode() for name, image in files}
    body = {name: value for name, value in {**fields, **images}.items() if value is not None}
    url = f"{job.endpoint.base_url}/model/{quote(invoked_id(job.model), safe='')}/invoke"
    return httpx.Request("POST", url, json=body, headers={"accept": "application/json"})


Seed = Annotated[int, Field(ge=0, lt=2**64)]


class Answer(VendorModel):
    images: Lenient[tuple[Lenient[str], ...]] = Field(default=None, repr=False)
    seeds: Lenient[tuple[Lenient[Seed], ...]] = None
    finish_reasons: Lenient[tuple[Lenient[str], ...]] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return the image. Raises content_policy for one that the filter withheld."""
    answer = parse_answer(Answer, response.content)
    ending = next(filter(None, answer.finish_reasons or ()), None)
    details: dict[str, Any] = {"request_id": response.headers.get("x-amzn-requestid")}
    if ending and ending.lower().startswith("filter"):
        message = f"Bedrock withheld the image: “{sanitize(ending)}”."
        hint = "Reword the prompt or take another image; AWS may have billed this one."
        raise ImageError(Reason.CONTENT_POLICY, message, hint=hint, facts={"outcome": "unknown", **details})
    image = next(filter(None, answer.images or ()), None)
    if not image:
        raise invalid_response(f"Bedrock answered without an image{f' (“{sanitize(ending)}”)' if ending else ''}.")
    seed = next(iter(answer.seeds or ()), None)
    warnings = tuple(_warnings(job))
    return Reply(pictures=(picture(base64_bytes(image), seed=seed),), warnings=warnings, details=details)


def _warnings(job: Job) -> list[str]:
    sent = strength_of(job)
    if job.request.strength is not None or sent is None:
        return []
    return [f"Sent with strength {sent}, since the model requires one: 0 keeps the source, 1 ignores it."]


REASONS: dict[str, Reason] = {
    "ServiceQuotaExceededException": Reason.QUOTA_EXCEEDED,
    "ModelTimeoutException": Reason.TIMEOUT,
    "ModelErrorException": Reason.PROVIDER_UNAVAILABLE,
}
"""The name of an error -> reason, where the status (400, 408, 424) would mislead."""

UNKNOWN_ID = re.compile(r"model identifier is invalid|on-demand throughput isn.t supported", re.IGNORECASE)
"""A ValidationException about the id of the model."""

HINTS: dict[Reason, str] = {
    Reason.AUTHENTICATION: "Check the AWS credentials or the Bedrock API key, the permission bedrock:InvokeModel, and"
    " that the account has access to the model in this region.",
    Reason.QUOTA_EXCEEDED: "Ask AWS for a higher quota, or use another vendor.",
    Reason.UNKNOWN_MODEL: f"The region may not serve this model; {US_WEST} serves all that are listed.",
    Reason.RATE_LIMITED: "Call again in a few seconds.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Refusal(VendorModel):
    message: Lenient[str] = Field(default=None, validation_alias=AliasChoices("message", "Message"))


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"message"}` with the name of the error in a header. After an error of the model the bill is unknown."""
    words = parse_refusal(Refusal, response.content).message or ""
    code = sanitize(response.headers.get("x-amzn-errortype", "").partition(":")[0], 60)
    reason = REASONS.get(code) or reason_for_status(response.status_code)
    if reason is Reason.INVALID_REQUEST and UNKNOWN_ID.search(words):
        reason = Reason.UNKNOWN_MODEL
    facts: dict[str, Any] = {"code": code, "request_id": response.headers.get("x-amzn-requestid")}
    if code in ("ModelTimeoutException", "ModelErrorException"):
        facts["outcome"] = "unknown"
    return ImageError(
        reason,
        f"Bedrock answered {response.status_code}{f' {code}' if code else ''}"
        + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts=facts,
        from_vendor=bool(code),  # a gateway's error has the same body, without the header
    )
