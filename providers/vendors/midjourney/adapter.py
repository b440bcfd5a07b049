"""Midjourney by an unofficial resale: POST /api/v1/mj/generate returns a task that is polled; each makes four images.

Facts: undated pages of MidAPI and kie.ai, which serve one protocol, and clients' code of 2025 and 2026. The HTTP status
is often 200; the `code` of the body decides. A key of one host is valid there only.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.refusals import unsupported
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    parse_answer,
    parse_refusal,
    reason_for_status,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.midjourney.models import OMNI, STYLE, UPSCALE, VARY
from atelier.providers.vendors.midjourney.tasks import REFUSED, reply_of
from atelier.providers.vendors.midjourney.uploads import UPLOAD

MIDAPI_KEY = "MIDAPI_API_KEY"
ENDPOINT = Endpoint(
    base_url="https://api.kie.ai",
    base_url_variable="MIDJOURNEY_BASE_URL",
    base_urls=((MIDAPI_KEY, "https://api.midapi.ai"),),
    key_variables=("KIE_API_KEY", MIDAPI_KEY),
    key_page="https://kie.ai/api-key",
    trusted_hosts=("api.kie.ai", "api.midapi.ai", "kieai.redpandaai.co"),
    timeout=60.0,  # of one exchange; a task may take minutes
)

TASK_TYPES = {None: "mj_img2img", STYLE: "mj_style_reference", OMNI: "mj_omni_reference"}
"""What a source is a reference for -> the type of the task."""


def prepare(job: Job) -> httpx.Request:
    """Build the request. A source has a placeholder, which `upload` replaces by a link."""
    request, wire = job.request, job.model.wire
    if wire in (UPSCALE, VARY):
        task, index = _place(job)
        body: dict[str, Any] = {"taskId": task, "imageIndex": index + (wire == VARY)}
        return httpx.Request("POST", f"{job.endpoint.base_url}/api/v1/mj/{wire}", json=body)
    options = dict(request.options)
    reference = options.pop("reference", None)
    _check(job, reference)
    version = job.model.id.removeprefix("midjourney-") if job.model.any_value else wire
    fields: dict[str, Any] = {
        "taskType": TASK_TYPES[reference] if request.sources else "mj_txt2img",
        "prompt": request.prompt,
        "speed": request.quality,
        "fileUrls": [UPLOAD] if request.sources else None,
        "aspectRatio": request.aspect_ratio,
        "version": version,
        **options,
    }
    present = {name: value for name, value in fields.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/api/v1/mj/generate", json=present)


def _check(job: Job, reference: object) -> None:
    """Raise for what the service would drop or could not do."""
    request = job.request
    invalid: dict[str, bool] = {
        "a reference needs a source image": reference is not None and not request.sources,
        "ow needs reference=omni": "ow" in request.options and reference != OMNI,
    }
    for why in (why for why, is_invalid in invalid.items() if is_invalid):
        raise ImageError(Reason.INVALID_REQUEST, f"{job.model.id}: {why}.", hint="Give both, or leave it out.")
    if reference == OMNI and request.quality:
        raise unsupported("quality", request.quality, job.model, [], "An omni reference has no choice of speed.")
    if len(request.sources) > 1:
        raise unsupported("images", None, job.model, [], "Give one.")
    if request.sources and all(name.endswith(MIDAPI_KEY) for name in job.endpoint.key_variables):
        message = "MidAPI fetches a source by a public link, and has no upload that is known to take its key."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Set KIE_API_KEY.", facts={"option": "images"})


def _place(job: Job) -> tuple[str, int]:
    """Return the task of the source and its place there. Raises for an image that this vendor did not make."""
    task, _, index = (job.request.vendor_image or "").rpartition(":")
    if job.request.origin == "midjourney" and task and index.isdecimal():
        return task, int(index)
    message = f"{job.model.id} changes only an image that Midjourney made here: it needs the task and its place there."
    raise ImageError(Reason.INVALID_REQUEST, message, hint="Name that image by its id.")


class Task(VendorModel):
    task_id: Lenient[str] = None


class Answer(VendorModel):
    """`code` is 200 where the task was accepted."""

    code: Lenient[int] = None
    msg: Lenient[str] = None
    data: Lenient[Task] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Save the task, which is paid for by now, wait for it and download its images."""
    answer = parse_answer(Answer, response.content)
    task = answer.data and answer.data.task_id
    if not task:
        raise (
            refusal(answer, response)
            if answer.code not in (None, 200)
            else invalid_response("Midjourney's reseller accepted the request but names no task.")
        )
    await wire.save_vendor_task({"task": task})
    return await reply_of(task, job, wire)


HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use another source image.",
    Reason.QUOTA_EXCEEDED: "Add credits to the kie.ai or MidAPI account, or use another vendor.",
    Reason.AUTHENTICATION: "Check KIE_API_KEY or MIDAPI_API_KEY; a key of one host is not valid at the other.",
    Reason.RATE_LIMITED: "Call again in a few seconds; kie.ai takes 20 new requests in 10 seconds.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}
MAINTENANCE, FAILED, SWITCHED_OFF = 455, 501, 505
STATUSES = range(100, 600)  # a gateway's own code is none of them
UNCLEAR = (500,)  # the task may have been made


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"code", "msg"}`, with whatever status, or a gateway's page."""
    return refusal(parse_refusal(Answer, response.content), response)


def refusal(answer: Answer, response: httpx.Response) -> ImageError:
    """Return the error of an answer; the code of its body comes before the status."""
    code = answer.code if answer.code and answer.code in STATUSES else response.status_code
    reason = Reason.PROVIDER_UNAVAILABLE if code in (MAINTENANCE, FAILED, SWITCHED_OFF) else reason_for_status(code)
    if code in (400, 422) and REFUSED.search(answer.msg or ""):
        reason = Reason.CONTENT_POLICY
    return ImageError(
        reason,
        f"Midjourney's reseller answered {code}" + (f": “{sanitize(answer.msg)}”" if answer.msg else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts={"code": str(code), **({"outcome": "unknown"} if code in UNCLEAR else {})},
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images of a task that a process saved before it died."""
    task: Any = job.task or {}
    return await reply_of(task["task"], job, wire)
