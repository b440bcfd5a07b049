"""OpenAI: POST /images/generations with JSON, /images/edits and /variations as forms; images come back as base64.

Compatible hosts answer with links as well.
Facts: the vendor's SDK 3.52 and docs as of 2026-11-20. Unknown fields are refused (400 unknown_parameter) and
`response_format` is one of them. A moderated prompt is a 400, never a 200. A mask's alpha 0 marks what changes.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator
from pydantic.alias_generators import to_snake

from atelier.providers.core.errors import ImageError, Reason, sanitize
from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.results import Usage
from atelier.providers.core.types import Endpoint, Operation, Picture
from atelier.providers.images.masks import transparent_where_white
from atelier.providers.transport.multipart import multipart
from atelier.providers.transport.vendor_errors import error_status
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    is_event_stream,
    parse_answer,
    parse_refusal,
    reason_for_status,
    sse_data,
)
from atelier.providers.transport.wire import Wire, httpx, retry_after
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.image_links import Item, images_of, losses, note_links, noted
from atelier.providers.vendors.openai.models import DALL_E

ENDPOINT = Endpoint(
    base_url="https://api.openai.com/v1",
    base_url_variable="OPENAI_BASE_URL",
    base_path="/v1",
    key_variables=("OPENAI_API_KEY",),
    key_page="https://platform.openai.com/api-keys",
    trusted_hosts=("api.openai.com",),
    timeout=300.0,  # complex prompts at high quality take minutes
)


def prepare(job: Job) -> httpx.Request:
    """Build the request. An option that the caller left out is not sent."""
    request, base = job.request, job.endpoint.base_url
    body = {
        **{name: value for name, value in request.options.items() if name != SAFE_PROMPT},
        "model": job.model.id,
        "prompt": request.prompt or None,
        "n": request.count if request.count > 1 else None,
        "size": f"{job.size[0]}x{job.size[1]}" if job.size else request.size,
        "quality": request.quality,
        "style": request.style,
        "background": request.background,
        "output_format": request.output_format,
        "output_compression": request.compression,
        "response_format": _response_format(job),
        "stream": True if "partial_images" in request.options else None,
    }
    if not request.sources:
        present = {name: value for name, value in body.items() if value is not None}
        return httpx.Request("POST", f"{base}/images/generations", json=present)
    one = "image" if len(request.sources) == 1 else "image[]"
    files = [(one, source) for source in request.sources]
    if request.mask:
        files.append(("mask", _mask(request.mask)))
    path = "variations" if request.operation is Operation.VARIATION else "edits"
    return multipart(f"{base}/images/{path}", body, files)


def _response_format(job: Job) -> str | None:
    """Return what the older dialect needs; the GPT Image models refuse the field."""
    if job.model.wire != DALL_E:
        return None
    return "url" if job.request.response_format == "url" else "b64_json"


MAX_MASK_BYTES = 4_000_000


def _mask(white: Picture) -> Picture:
    """Return the mask in the vendor's convention. Only one with very many shades of grey is too large."""
    holes = transparent_where_white(white)
    if len(holes.image_bytes) < MAX_MASK_BYTES:
        return holes
    message = f"The mask has {len(holes.image_bytes) / 1e6:.1f} MB as a PNG; OpenAI takes less than 4."
    raise ImageError(Reason.INVALID_REQUEST, message, hint="Give one with hard edges, or a smaller image and mask.")


def _in_snake_case(counts: dict[str, int | None]) -> dict[str, int | None]:
    return {to_snake(name): count for name, count in counts.items()}


Counts = Annotated[dict[str, Lenient[int]], AfterValidator(_in_snake_case)]


class Tokens(VendorModel):
    input_tokens: Lenient[int] = None
    output_tokens: Lenient[int] = None
    input_tokens_details: Lenient[Counts] = None
    output_tokens_details: Lenient[Counts] = None


class Answer(VendorModel):
    """`size` and `quality` are what the vendor chose for `auto`."""

    data: tuple[Lenient[Item], ...] = ()
    size: Lenient[str] = None
    quality: Lenient[str] = None
    background: Lenient[str] = None
    usage: Lenient[Tokens] = None


class Event(Item):
    """One event of a stream: a partial image, which only shows progress, a finished image, or an error.

    Some hosts put a whole answer with its `data` into one event.
    """

    type: Lenient[str] = None
    partial_image_index: Lenient[int] = None
    data: Lenient[tuple[Lenient[Item], ...]] = None
    size: Lenient[str] = None
    quality: Lenient[str] = None
    usage: Lenient[Tokens] = None

    def is_partial(self) -> bool:
        return "partial" in (self.type or "") or self.partial_image_index is not None

    def items(self) -> tuple[Item | None, ...]:
        return self.data or ((self,) if self.b64_json or self.url else ())


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Return every image of the answer, which may be a stream of events. Links are saved before they are followed."""
    body, id = response.content, response.headers.get("x-request-id")
    answer = _streamed(body) if is_event_stream(body) else parse_answer(Answer, body)
    await note_links(id, answer, answer.data, wire)
    return await _reply(id, answer, job, wire)


async def _reply(id: str | None, answer: Answer, job: Job, wire: Wire) -> Reply:
    if not answer.data:
        raise invalid_response("OpenAI answered without an image.")
    pictures, failures = await images_of("OpenAI", answer.data, wire)
    lost = losses(pictures, failures)
    too_few = f"OpenAI made {len(pictures)} of {job.request.count} images."
    details = answer.model_dump(include={"size", "quality", "background"}, exclude_none=True)
    return Reply(
        pictures=pictures,
        usage=_usage(answer.usage),
        warnings=lost or ((too_few,) if len(pictures) < job.request.count else ()),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": id, **details},
    )


def _streamed(body: bytes) -> Answer:
    events = list[Event]()
    for data in sse_data(body):
        event = parse_refusal(Event, data)  # without any field if it is broken, so that the finished image is not lost
        if (status := error_status(data)) is not None:
            raise explain(httpx.Response(status, content=data))
        events.append(event)
    done = [event for event in events if not event.is_partial() and event.items()]
    if not done:
        partial = sum(event.is_partial() for event in events)
        after = f" after {partial} partial ones" if partial else ""
        raise invalid_response(f"OpenAI's stream ended{after} without a finished image.")
    last = done[-1]
    data = tuple(item for event in done for item in event.items())
    return Answer(data=data, size=last.size, quality=last.quality, usage=last.usage)


def _usage(tokens: Tokens | None) -> Usage | None:
    if tokens is None:
        return None
    details = tokens.model_dump(include={"input_tokens_details", "output_tokens_details"}, exclude_none=True)
    return Usage(input_tokens=tokens.input_tokens or 0, output_tokens=tokens.output_tokens or 0, details=details)


REASONS: dict[str, Reason] = {
    "moderation_blocked": Reason.CONTENT_POLICY,
    "content_policy_violation": Reason.CONTENT_POLICY,
    "insufficient_quota": Reason.QUOTA_EXCEEDED,
    "billing_hard_limit_reached": Reason.QUOTA_EXCEEDED,
    "model_not_found": Reason.UNKNOWN_MODEL,
    "unknown_parameter": Reason.UNSUPPORTED_OPTION,
    "invalid_api_key": Reason.AUTHENTICATION,
}
"""The vendor's code -> reason, where it is more exact than the status."""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt; a refused image is not billed.",
    Reason.QUOTA_EXCEEDED: "Add credit to the OpenAI account or use another vendor.",
    Reason.AUTHENTICATION: "Check OPENAI_API_KEY, and that its organisation may use this model.",
    Reason.UNKNOWN_MODEL: "The account may lack access to this model. A custom OPENAI_BASE_URL must end in /v1.",
    Reason.RATE_LIMITED: "Call again in a few seconds.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class ErrorBody(VendorModel):
    message: Lenient[str] = None
    type: Lenient[str] = None
    code: Lenient[str | int] = None


class Refusal(VendorModel):
    error: Lenient[ErrorBody | str] = None


def explain(response: httpx.Response) -> ImageError:
    """Explain `{"error": {"message", "type", "param", "code"}}`, or a gateway's version of it."""
    error = parse_refusal(Refusal, response.content).error
    if not isinstance(error, ErrorBody):
        error = ErrorBody(message=error)
    code = str(error.code or error.type or "")
    reason = REASONS.get(code) or reason_for_status(response.status_code)
    return ImageError(
        reason,
        f"OpenAI answered {response.status_code}{f' {sanitize(code, 60)}' if code else ''}"
        + (f": “{sanitize(error.message)}”" if error.message else "."),
        hint=HINTS.get(reason, "Change the request as the message says." if error.message else "Change the request."),
        retry_after=retry_after(response.headers),
        facts={"request_id": response.headers.get("x-request-id"), "code": sanitize(code, 60)},
    )


async def collect(job: Job, wire: Wire) -> Reply:
    """Return the images behind saved links, where they are still valid."""
    return await _reply(*noted(job, Answer), job, wire)


class ServedModel(VendorModel):
    id: str
    shutdown_date: date | None = None


class Listing(VendorModel):
    data: tuple[ServedModel, ...]


async def lifecycles(wire: Wire, endpoint: Endpoint) -> dict[str, date | None]:
    """Return every model of GET /models with the day on which it is switched off, if one is named."""
    listing = parse_answer(Listing, (await wire.free("GET", f"{endpoint.base_url}/models")).content)
    return {model.id: model.shutdown_date for model in listing.data}
