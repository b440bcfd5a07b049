"""OpenAI: POST /images/generations with JSON, /images/edits and /images/variations as forms; pictures in base64, or
behind links where a compatible host answers so.

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
from atelier.providers.core.types import Endpoint, Operation, Picture, Usage
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


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the vendor's words. Absent stays absent."""
    asked, base = job.request, job.endpoint.base_url
    body = {
        **{name: value for name, value in asked.options.items() if name != SAFE_PROMPT},
        "model": job.model.id,
        "prompt": asked.prompt or None,
        "n": asked.count if asked.count > 1 else None,
        "size": f"{job.size[0]}x{job.size[1]}" if job.size else asked.size,
        "quality": asked.quality,
        "style": asked.style,
        "background": asked.background,
        "output_format": asked.output_format,
        "output_compression": asked.compression,
        "response_format": "b64_json" if job.model.wire == DALL_E else None,
        "stream": True if "partial_images" in asked.options else None,
    }
    if not asked.sources:
        present = {name: value for name, value in body.items() if value is not None}
        return httpx.Request("POST", f"{base}/images/generations", json=present)
    one = "image" if len(asked.sources) == 1 else "image[]"
    files = [(one, source) for source in asked.sources]
    if asked.mask:
        files.append(("mask", _mask(asked.mask)))
    path = "variations" if asked.operation is Operation.VARIATION else "edits"
    return multipart(f"{base}/images/{path}", body, files)


LARGEST_MASK = 4_000_000  # bytes


def _mask(white: Picture) -> Picture:
    """A mask in the vendor's convention. Only one with a great many shades of grey comes out too large."""
    holes = transparent_where_white(white)
    if len(holes.image_bytes) < LARGEST_MASK:
        return holes
    message = f"The mask has {len(holes.image_bytes) / 1e6:.1f} MB as a PNG; OpenAI takes less than 4."
    raise ImageError(Reason.INVALID_REQUEST, message, hint="Give one with hard edges, or a smaller picture and mask.")


def _in_snake_case(counts: dict[str, int | None]) -> dict[str, int | None]:
    return {to_snake(name): count for name, count in counts.items()}


Counts = Annotated[dict[str, Lenient[int]], AfterValidator(_in_snake_case)]


class Tokens(VendorModel):
    input_tokens: Lenient[int] = None
    output_tokens: Lenient[int] = None
    input_tokens_details: Lenient[Counts] = None
    output_tokens_details: Lenient[Counts] = None


class Answer(VendorModel):
    """`size` and `quality` tell what `auto` became."""

    data: tuple[Lenient[Item], ...] = ()
    size: Lenient[str] = None
    quality: Lenient[str] = None
    background: Lenient[str] = None
    usage: Lenient[Tokens] = None


class Event(Item):
    """What a stream is made of: partial pictures, which are only a sign of life, then whole ones or an error.

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
    """Every picture of the answer, which may be a stream of events.

    Where a host answers with links, they are written down before they are followed.
    """
    body, id = response.content, response.headers.get("x-request-id")
    answer = _streamed(body) if is_event_stream(body) else parse_answer(Answer, body)
    await note_links(id, answer, answer.data, wire)
    return await _collected(id, answer, job, wire)


async def resume(job: Job, wire: Wire) -> Reply:
    """The pictures whose links were written down, as far as they are still alive."""
    return await _collected(*noted(job, Answer), job, wire)


async def _collected(id: str | None, answer: Answer, job: Job, wire: Wire) -> Reply:
    if not answer.data:
        raise invalid_response("OpenAI answered without a picture.")
    pictures, failures = await images_of("OpenAI", answer.data, wire)
    lost = losses(pictures, failures)
    short = f"OpenAI made {len(pictures)} of {job.request.count} pictures."
    details = answer.model_dump(include={"size", "quality", "background"}, exclude_none=True)
    return Reply(
        pictures=pictures,
        usage=_usage(answer.usage),
        warnings=lost or ((short,) if len(pictures) < job.request.count else ()),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": id, **details},
    )


def _streamed(body: bytes) -> Answer:
    events = list[Event]()
    for data in sse_data(body):
        event = parse_refusal(Event, data)  # all absent if it is broken, which must not cost the finished picture
        if (status := error_status(data)) is not None:
            raise explain(httpx.Response(status, content=data))
        events.append(event)
    done = [event for event in events if not event.is_partial() and event.items()]
    if not done:
        partial = sum(event.is_partial() for event in events)
        after = f" after {partial} partial ones" if partial else ""
        raise invalid_response(f"OpenAI's stream ended{after} without a finished picture.")
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
"""The vendor's code -> reason. It is more exact than the status, which decides for the rest."""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt; a refused picture is not billed.",
    Reason.QUOTA_EXCEEDED: "Add credit to the OpenAI account or use another vendor.",
    Reason.AUTHENTICATION: "Check OPENAI_API_KEY, and that its organisation may use this model.",
    Reason.UNKNOWN_MODEL: "The account may lack access to this model. A custom OPENAI_BASE_URL must end in /v1.",
    Reason.RATE_LIMITED: "Wait a moment and call again.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Trouble(VendorModel):
    message: Lenient[str] = None
    type: Lenient[str] = None
    code: Lenient[str | int] = None


class Refusal(VendorModel):
    error: Lenient[Trouble | str] = None


def explain(response: httpx.Response) -> ImageError:
    """`{"error": {"message", "type", "param", "code"}}`, or whatever a gateway in between made of it."""
    told = parse_refusal(Refusal, response.content).error
    error = told if isinstance(told, Trouble) else Trouble(message=told)
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


class Served(VendorModel):
    id: str
    shutdown_date: date | None = None


class Listing(VendorModel):
    data: tuple[Served, ...]


async def lifecycles(wire: Wire, endpoint: Endpoint) -> dict[str, date | None]:
    """GET /models: every model that is served, and the day on which it is switched off where one is named."""
    listing = parse_answer(Listing, (await wire.get(f"{endpoint.base_url}/models")).content)
    return {model.id: model.shutdown_date for model in listing.data}
