"""OpenAI: POST /images/generations with JSON, /images/edits and /variations as forms; images come back as base64.

Compatible hosts answer with links as well.
Facts: the vendor's SDK 3.52 and docs as of 2026-11-20. Unknown fields are refused (400 unknown_parameter) and
`response_format` is one of them. A moderated prompt is a 400, never a 200. A mask's alpha 0 marks what changes.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import pybase64
from pydantic import AfterValidator, BeforeValidator
from pydantic.alias_generators import to_snake

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.option_gates import SAFE_PROMPT
from atelier.providers.core.results import Usage
from atelier.providers.core.types import Endpoint, Operation, Picture
from atelier.providers.images.identify import format_of
from atelier.providers.images.masks import transparent_where_white
from atelier.providers.transport.exchange import request_id
from atelier.providers.transport.multipart import multipart
from atelier.providers.transport.vendor_errors import error_status
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    is_event_stream,
    parse_answer,
    parse_refusal,
    sse_data,
)
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.image_links import Item, ItemsAnswer, images_of, losses, note_links, noted
from atelier.providers.vendors.openai.models import DALL_E
from atelier.providers.vendors.openai.refusals import OPENAI, Names, explain

COST_HEADER = "x-litellm-response-cost"  # USD, of a LiteLLM proxy (its docs of 2026-10); 0 may be an unknown price
MAX_USD = 1_000  # a higher number is not a price

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
    """Return what the older dialect needs; the GPT Image models refuse the field, and have no links."""
    if job.request.response_format == "url":
        return "url"
    return "b64_json" if job.model.wire == DALL_E else None


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


class Answer(ItemsAnswer):
    """`size` and `quality` are what the vendor chose for `auto`; `cost_usd` is read from a header.

    `note` is a warning about a stream that did not end with its finished image.
    """

    data: tuple[Lenient[Item], ...] = ()
    size: Lenient[str] = None
    quality: Lenient[str] = None
    background: Lenient[str] = None
    usage: Lenient[Tokens] = None
    cost_usd: Lenient[Decimal] = None
    note: Lenient[str] = None


def _several(items: Any) -> Any:
    return [items] if isinstance(items, dict) else items


class Event(Item):
    """One event of a stream: a partial image, which only shows progress, a finished image, or an error.

    Some hosts put a whole answer with its `data` into one event.
    """

    type: Lenient[str] = None
    partial_image_index: Lenient[int] = None
    data: Lenient[Annotated[tuple[Lenient[Item], ...], BeforeValidator(_several)]] = None
    size: Lenient[str] = None
    quality: Lenient[str] = None
    usage: Lenient[Tokens] = None

    def is_partial(self) -> bool:
        return "partial" in (self.type or "") or self.partial_image_index is not None

    def items(self) -> tuple[Item | None, ...]:
        return self.data or ((self,) if self.b64_json or self.url else ())


async def read(response: httpx.Response, job: Job, wire: Wire, names: Names = OPENAI) -> Reply:
    """Return every image of the answer, which may be a stream of events. Links are saved before they are followed.

    Some hosts answer with the image file itself.
    """
    body, id = response.content, request_id(response.headers)
    if body[:1] != b"{" and format_of(body):
        answer = Answer(data=(Item(b64_json=pybase64.b64encode(body).decode()),))
    else:
        answer = _streamed(body, names) if is_event_stream(body) else parse_answer(Answer, body)
    answer.cost_usd = _stated_cost(response.headers)
    del response, body  # larger than the images, which are decoded next
    await note_links(id, answer, answer.data, wire)
    return await _reply(id, answer, job, wire, names)


async def collect(job: Job, wire: Wire, names: Names = OPENAI) -> Reply:
    """Return the images behind saved links, where they are still valid."""
    return await _reply(*noted(job, Answer), job, wire, names)


async def _reply(id: str | None, answer: Answer, job: Job, wire: Wire, names: Names) -> Reply:
    vendor = names.title
    if not answer.data:
        raise invalid_response(f"{vendor} answered without an image.")
    pictures, failures = await images_of(vendor, answer.data, wire)
    lost = losses(pictures, failures)
    too_few = f"{vendor} made {len(pictures)} of {job.request.count} images."
    details = answer.model_dump(include={"size", "quality", "background"}, exclude_none=True)
    return Reply(
        pictures=pictures,
        usage=_usage(answer.usage),
        cost_usd=answer.cost_usd,
        warnings=(
            *(lost or ((too_few,) if len(pictures) < job.request.count else ())),
            *((answer.note,) if answer.note else ()),
        ),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": id, **details},
    )


def _stated_cost(headers: httpx.Headers) -> Decimal | None:
    with suppress(InvalidOperation):
        usd = Decimal(headers.get(COST_HEADER, "none"))
        return usd if usd.is_finite() and 0 < usd < MAX_USD else None
    return None


def _streamed(body: bytes, names: Names) -> Answer:
    """Return the finished images of a stream, else its last partial one. Raises an error that came in their place."""
    events, refusal = list[Event](), None
    for data in sse_data(body):
        event = parse_refusal(Event, data)  # without any field if it is broken, so that the finished image is not lost
        if (status := error_status(data)) is not None:
            refusal = refusal or explain(httpx.Response(status, content=data), names)
        events.append(event)
    done = [event for event in events if not event.is_partial() and event.items()]
    note = f"The stream ended with an error: {refusal.message}" if refusal else None
    if not done and refusal:
        raise refusal
    if not done:
        done = [event for event in events if event.items()][-1:]
        note = "The stream ended without its finished image. This is the last unfinished one."
    if not done:
        raise invalid_response(f"{names.title}'s stream ended without an image.")
    last = done[-1]
    # some hosts send the finished image twice, as an event and in a whole answer
    items = {item and (item.b64_json or item.url): item for event in done for item in event.items()}
    return Answer(data=tuple(items.values()), size=last.size, quality=last.quality, usage=last.usage, note=note)


def _usage(tokens: Tokens | None) -> Usage | None:
    if tokens is None:
        return None
    details = tokens.model_dump(include={"input_tokens_details", "output_tokens_details"}, exclude_none=True)
    return Usage(input_tokens=tokens.input_tokens or 0, output_tokens=tokens.output_tokens or 0, details=details)


class ServedModel(VendorModel):
    id: str
    shutdown_date: date | None = None


class Listing(VendorModel):
    data: tuple[ServedModel, ...]


async def lifecycles(wire: Wire, endpoint: Endpoint) -> dict[str, date | None]:
    """Return every model of GET /models with the day on which it is switched off, if one is named."""
    listing = parse_answer(Listing, (await wire.free("GET", f"{endpoint.base_url}/models")).content)
    return {model.id: model.shutdown_date for model in listing.data}
