"""Dots: POST /dots with JSON, answered in this process with one pixel; a vendor from another distribution."""

from __future__ import annotations

from decimal import Decimal

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Model, Operation
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import (
    VendorModel,
    base64_bytes,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Provider, Reply

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


def dot(request: httpx.Request) -> httpx.Response:
    """The vendor's side."""
    return httpx.Response(200, json={"image": DOT})


def prepare(job: Job) -> httpx.Request:
    return httpx.Request("POST", f"{job.endpoint.base_url}/dots", json={"prompt": job.request.prompt})


class Answer(VendorModel):
    image: str


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    answer = parse_answer(Answer, response.content)
    return Reply(pictures=(picture(base64_bytes(answer.image)),), cost_usd=Decimal(0))


class Refusal(VendorModel):
    error: str = ""


def explain(response: httpx.Response) -> ImageError:
    words = sanitize(parse_refusal(Refusal, response.content).error)
    moderated = response.status_code == 422
    return ImageError(
        Reason.CONTENT_POLICY if moderated else reason_for_status(response.status_code),
        f"Dots answered {response.status_code}: “{words}”.",
        hint="Change the request as the message says.",
        retry_after=retry_after(response.headers),
    )


PROVIDER = Provider(
    name="dots",
    title="Dots",
    names=("dots",),
    endpoint=Endpoint(base_url="https://dots.invalid", transport=dot),
    models=(Model(id="dots-1", operations=frozenset({Operation.GENERATE})),),
    default="dots-1",
    prepare=prepare,
    read=read,
    explain=explain,
)
