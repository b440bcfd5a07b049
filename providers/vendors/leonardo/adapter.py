"""Leonardo.Ai: POST /v1/generations, or /v2/generations for its partners' models, returns a job that is polled.

Facts: the vendor's SDK 7.0.0, docs copies up to 2026-09, probes by third parties up to 2026-09. An error may be an
array, and may come with status 200. The first answer states the cost.
"""

from __future__ import annotations

import re
from typing import Any

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.types import Endpoint
from atelier.providers.transport.vendor_json import Lenient, VendorModel, lenient_json, reason_for_status
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.leonardo.bodies import body_of
from atelier.providers.vendors.leonardo.jobs import Task, reply_of, task_of

ENDPOINT = Endpoint(
    base_url="https://cloud.leonardo.ai/api/rest",
    base_url_variable="LEONARDO_BASE_URL",
    key_variables=("LEONARDO_API_KEY",),
    key_page="https://app.leonardo.ai/api-access",
    trusted_hosts=("cloud.leonardo.ai",),
    timeout=60.0,  # of one exchange; a job takes up to a minute, and may wait
)

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def prepare(job: Job) -> httpx.Request:
    """Build the request. Sources have placeholders, which `upload` replaces by the vendor's ids."""
    path, body = body_of(job, _wire(job))
    _check_sources(job)
    return httpx.Request("POST", f"{job.endpoint.base_url}/{path}", json=_present(body))


def _wire(job: Job) -> str:
    """Return the wire of a row; of an unlisted model the first API's for a uuid, else the second's."""
    if not job.model.any_value:
        return job.model.wire
    name = job.model.id.removeprefix("leonardo-")
    return f"v1/{name}" if UUID.fullmatch(name) else f"v2/{name}"


def _check_sources(job: Job) -> None:
    given, maximum = len(job.request.sources), job.model.max_sources
    if given > maximum:  # of an unlisted model, which the gates let pass
        message = f"{job.model.id} takes at most {maximum} source images; {given} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give fewer.", facts={"option": "images"})


def _present(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body without what is None, at either depth."""
    found = {name: value for name, value in body.items() if value is not None}
    if isinstance(parameters := found.get("parameters"), dict):
        found["parameters"] = _present(parameters)  # pyright: ignore[reportUnknownArgumentType] - built in bodies
    return found


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Save the job, which is paid for by now, wait for it and download its images."""
    if response.content.lstrip()[:2].startswith(b"[{"):
        raise wire.refusal(response)
    task = task_of(response.content)
    await wire.save_vendor_task(task.model_dump(mode="json"))
    return await reply_of(task, job, wire)


REASONS: tuple[tuple[str, Reason], ...] = (
    (r"authorization hook|access-denied|authentication hook", Reason.AUTHENTICATION),
    (r"moderat|nsfw|content policy|blocked", Reason.CONTENT_POLICY),
    (r"not enough|insufficient|\bcredits?\b|\btokens?\b|payment", Reason.QUOTA_EXCEEDED),
)
"""Pattern in a refusal -> reason; the status decides the rest."""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use another source image.",
    Reason.QUOTA_EXCEEDED: "Add credit to the Leonardo.Ai API account, which is apart from its web plan.",
    Reason.AUTHENTICATION: "Check LEONARDO_API_KEY, and that the account's plan has this model.",
    Reason.UNKNOWN_MODEL: "Call list_models for the models that are known here.",
    Reason.RATE_LIMITED: "Wait until jobs are done; the vendor runs 10 at once.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Extensions(VendorModel):
    code: Lenient[str] = None


class Refusal(VendorModel):
    """`{"error", "path", "code"}`, or an item of `[{"message", "extensions": {"code"}}]`."""

    error: Lenient[str] = None
    message: Lenient[str] = None
    code: Lenient[str] = None
    extensions: Lenient[Extensions] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain either of the vendor's two shapes, or a gateway's version of it."""
    refusal, status = _refusal(response.content), response.status_code
    code = refusal.code or (refusal.extensions and refusal.extensions.code)
    words = refusal.error or refusal.message
    reason = reason_for_status(status)
    if 200 <= status < 300:  # a GraphQL error has a code; without one it is a gateway that is busy
        reason = Reason.INVALID_REQUEST if code else Reason.PROVIDER_UNAVAILABLE
    if status < 500 and reason in (Reason.INVALID_REQUEST, Reason.AUTHENTICATION, Reason.PROVIDER_UNAVAILABLE):
        text = f"{code or ''} {words or ''}"
        reason = next((found for pattern, found in REASONS if re.search(pattern, text, re.IGNORECASE)), reason)
    return ImageError(
        reason,
        f"Leonardo.Ai answered {status}" + (f": “{sanitize(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts={"code": sanitize(code or "", 60)},
    )


def _refusal(content: bytes) -> Refusal:
    try:
        body = lenient_json(content)
        return Refusal.model_validate(body[0] if isinstance(body, list) else body)
    except (ValueError, LookupError):  # a gateway's page, or an empty list
        return Refusal()


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images of a job that a process saved before it died."""
    return await reply_of(Task.model_validate(job.task), job, wire)
