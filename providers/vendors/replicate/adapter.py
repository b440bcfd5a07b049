"""Replicate: POST a prediction with JSON; it is polled by its address, and its output is links.

Facts: the vendor's client 1.0.7 and docs as of 2026-08. A listed model is called by its own path, any other by its
version. No answer states a price. Large sources are uploaded first, since data URIs are meant for small files.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from pydantic import JsonValue

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint, Picture
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Completed, Job, Reply
from atelier.providers.vendors.replicate.predictions import Prediction, reply_of
from atelier.providers.vendors.replicate.schemas import fitted

ENDPOINT = Endpoint(
    base_url="https://api.replicate.com",
    base_url_variable="REPLICATE_BASE_URL",
    key_variables=("REPLICATE_API_TOKEN",),
    key_page="https://replicate.com/account/api-tokens",
    trusted_hosts=("api.replicate.com",),
    timeout=60.0,  # of one exchange; a prediction may take minutes
)

IMAGE_PROMPT = "image_prompt"
MAX_INLINE = 256 * 1024  # bytes of a source that is sent as a data URI


def prepare(job: Job) -> httpx.Request:
    """Build the prediction. An option that the caller left out is not sent."""
    request, model = job.request, job.model
    if model.wire == IMAGE_PROMPT and not request.prompt:
        message = f"{model.id} needs a prompt, also with a picture."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Describe the image in words.")
    width, height = job.size or (None, None)
    fields: dict[str, Any] = {
        "prompt": request.prompt or None,
        "num_outputs": request.count if request.count > 1 else None,
        "aspect_ratio": "custom" if job.size else request.aspect_ratio,
        "width": width,
        "height": height,
        "output_format": "jpg" if request.output_format == "jpeg" else request.output_format,
        "output_quality": request.compression,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "prompt_strength": request.strength,  # 1 ignores the source here as well
        **request.options,
        **_sources(job),
    }
    body: dict[str, Any] = {"input": {name: value for name, value in fields.items() if value is not None}}
    path = f"models/{model.id}/predictions"
    if model.any_value:
        path, body["version"] = "predictions", model.id
    return httpx.Request("POST", f"{job.endpoint.base_url}/v1/{path}", json=body)


def _sources(job: Job) -> dict[str, Any]:
    """Return the sources and the mask; `complete` gives those of an unlisted model the names of its schema."""
    links, mask = [_data_uri(source) for source in job.request.sources], job.request.mask
    if job.model.any_value:
        return {"image": links or None, "mask": _data_uri(mask) if mask else None}
    return {job.model.wire: links[0]} if links else {}


def _data_uri(source: Picture) -> str:
    return f"data:{source.mime};base64,{base64.b64encode(source.image_bytes).decode()}"


async def complete(request: httpx.Request, job: Job, wire: Wire) -> Completed:
    """Check the input of an unlisted model against its schema, and upload large sources."""
    body = json.loads(request.read())
    base, fields = f"{job.endpoint.base_url}/v1", body["input"]
    if job.model.any_value:
        fields = await fitted(fields, job.model.id, base, wire)
    uploaded: dict[str, Any] = {name: await _uploaded(value, base, wire) for name, value in fields.items()}
    if uploaded == body["input"]:
        return Completed(request)
    return Completed(httpx.Request("POST", request.url, json={**body, "input": uploaded}))


class File(VendorModel):
    urls: dict[str, str]


async def _uploaded(value: Any, base: str, wire: Wire) -> Any:
    """Return the value of a field with large data URIs replaced by the addresses of uploaded files."""
    if isinstance(value, list):
        return [await _uploaded(each, base, wire) for each in value]  # pyright: ignore[reportUnknownVariableType] - JSON
    if not (isinstance(value, str) and value.startswith("data:") and len(value) > MAX_INLINE * 4 // 3 + 100):
        return value
    head, _, data = value.partition(",")
    mime = head.removeprefix("data:").partition(";")[0]
    name = f"source.{mime.rpartition('/')[2]}"
    files = {"content": (name, base64.b64decode(data), mime)}
    answer = await wire.free("POST", f"{base}/files", files=files)
    address = parse_answer(File, answer.content).urls.get("get")
    if not address:
        raise invalid_response("Replicate took a source image but names no address of it.")
    return address


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Save the prediction, which has begun by now, wait for it and download its images."""
    prediction = parse_answer(Prediction, response.content)
    if not prediction.id:
        raise invalid_response("Replicate accepted the request but names no prediction.")
    await wire.save_vendor_task(prediction.model_dump(mode="json", include={"id", "urls"}))
    return await reply_of(prediction, job, wire)


HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use other source images.",
    Reason.QUOTA_EXCEEDED: "Add credit to the Replicate account or use another vendor.",
    Reason.AUTHENTICATION: "Check REPLICATE_API_TOKEN.",
    Reason.UNKNOWN_MODEL: "Give a model of replicate.com, as replicate/owner/name, or call list_models.",
    Reason.RATE_LIMITED: "Wait, or add credit: accounts with little of it are throttled harder.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Refusal(VendorModel):
    """A problem document; `retry_after` is in seconds."""

    title: Lenient[str] = None
    detail: Lenient[str] = None
    invalid_fields: Lenient[JsonValue] = None
    retry_after: Lenient[float] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"title", "detail", "status"}`, or a gateway's version of it."""
    refusal, status = parse_refusal(Refusal, response.content), response.status_code
    reason, words = reason_for_status(status), refusal.detail or refusal.title
    wait = retry_after(response.headers)
    return ImageError(
        reason,
        f"Replicate answered {status}" + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=refusal.retry_after if wait is None else wait,
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images of a prediction that a process saved before it died; its output can be read for an hour."""
    return await reply_of(Prediction.model_validate(job.task), job, wire)


async def cancel(job: Job, wire: Wire) -> None:
    """Ask Replicate to stop the prediction."""
    prediction = Prediction.model_validate(job.task)
    await wire.free("POST", prediction.address("cancel", job.endpoint.base_url))
