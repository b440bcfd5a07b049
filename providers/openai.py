"""OpenAI: POST /images/generations with JSON, /images/edits and /images/variations as forms; pictures in base64.

Facts: the vendor's SDK 3.52 and docs as of 2026-11-20. Unknown fields are refused (400 unknown_parameter) and
`response_format` is one of them. A moderated prompt is a 400, never a 200. A mask's alpha 0 marks what changes.
"""

from __future__ import annotations

from datetime import date
from functools import partial

from atelier.providers.core.answers import (
    Lenient,
    Loose,
    bad_answer,
    base64_bytes,
    event_data,
    parsed,
    parsed_refusal,
    reason_of,
)
from atelier.providers.core.errors import ImageError, Reason, quoted
from atelier.providers.core.forms import multipart
from atelier.providers.core.images import picture, whole
from atelier.providers.core.masks import transparent_where_white
from atelier.providers.core.provider import Job, Provider, Reply
from atelier.providers.core.types import Endpoint, Operation, Picture, Usage
from atelier.providers.core.wire import Wire, httpx, retry_after
from atelier.providers.openai_models import DALL_E, ENDPOINT, FLARE, MODELS


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the vendor's words. Absent stays absent."""
    asked, base = job.request, job.endpoint.base_url
    body = {
        **asked.options,
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


class Item(Lenient):
    b64_json: Loose[str] = None
    revised_prompt: Loose[str] = None


class Tokens(Lenient):
    input_tokens: Loose[int] = None
    output_tokens: Loose[int] = None
    input_tokens_details: Loose[dict[str, Loose[int]]] = None
    output_tokens_details: Loose[dict[str, Loose[int]]] = None


class Answer(Lenient):
    """`size` and `quality` tell what `auto` became."""

    data: tuple[Loose[Item], ...] = ()
    size: Loose[str] = None
    quality: Loose[str] = None
    background: Loose[str] = None
    usage: Loose[Tokens] = None


class Event(Lenient):
    """What a stream is made of: partial pictures, which are only a sign of life, then whole ones or an error."""

    type: str = ""
    b64_json: str | None = None
    size: Loose[str] = None
    quality: Loose[str] = None
    usage: Loose[Tokens] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Every picture of the answer, which may be a stream of events."""
    streamed = response.headers.get("content-type", "").startswith("text/event-stream")
    answer = _streamed(response.content) if streamed else parsed(Answer, response.content)
    pictures, broken = whole("OpenAI", [partial(_picture, item) for item in answer.data])
    short = f"OpenAI made {len(pictures)} of {job.request.count} pictures."
    details = answer.model_dump(include={"size", "quality", "background"}, exclude_none=True)
    return Reply(
        pictures=pictures,
        usage=_usage(answer.usage),
        warnings=broken or ((short,) if len(pictures) < job.request.count else ()),
        details={"request_id": response.headers.get("x-request-id"), **details},
    )


def _picture(item: Item | None) -> Picture:
    if item is None or not item.b64_json:
        raise bad_answer("OpenAI answered without a picture.")
    return picture(base64_bytes(item.b64_json), prompt_used=item.revised_prompt)


def _streamed(body: bytes) -> Answer:
    events = [(data, parsed(Event, data)) for data in event_data(body)]
    for data, event in events:
        if event.type == "error":
            raise explain(httpx.Response(200, content=data))
    done = [event for _, event in events if event.type.endswith(".completed")]
    last = done[-1] if done else Event()
    data = tuple(Item(b64_json=event.b64_json) for event in done)
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


class Trouble(Lenient):
    message: Loose[str] = None
    type: Loose[str] = None
    code: Loose[str | int] = None


class Refusal(Lenient):
    error: Loose[Trouble | str] = None


def explain(response: httpx.Response) -> ImageError:
    """`{"error": {"message", "type", "param", "code"}}`, or whatever a gateway in between made of it."""
    told = parsed_refusal(Refusal, response.content).error
    error = told if isinstance(told, Trouble) else Trouble(message=told)
    code = str(error.code or error.type or "")
    reason = REASONS.get(code) or reason_of(response.status_code)
    return ImageError(
        reason,
        f"OpenAI answered {response.status_code}{f' {quoted(code, 60)}' if code else ''}"
        + (f": “{quoted(error.message)}”" if error.message else "."),
        hint=HINTS.get(reason, "Change the request as the message says." if error.message else "Change the request."),
        retry_after=retry_after(response.headers),
        facts={"request_id": response.headers.get("x-request-id"), "code": quoted(code, 60)},
    )


class Served(Lenient):
    id: str
    shutdown_date: date | None = None


class Listing(Lenient):
    data: tuple[Served, ...]


async def lifecycles(wire: Wire, endpoint: Endpoint) -> dict[str, date | None]:
    """GET /models: every model that is served, and the day on which it is switched off where one is named."""
    listing = parsed(Listing, (await wire.ask(f"{endpoint.base_url}/models")).content)
    return {model.id: model.shutdown_date for model in listing.data}


PROVIDER = Provider(
    name="openai",
    title="OpenAI",
    names=("openai", "dall-e", "gpt-image"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=FLARE,
    prefixes=("gpt-image", "chatgpt-image", "dall-e"),
    prepare=prepare,
    read=read,
    explain=explain,
    lifecycles=lifecycles,
)
