"""Answers of OpenAI and of compatible hosts: JSON or a stream of events, with base64 or links."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import AfterValidator
from pydantic.alias_generators import to_snake

from atelier.providers.core.results import Usage
from atelier.providers.transport.exchange import request_id
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
from atelier.providers.vendors.image_links import Item, images_of, losses, note_links, noted
from atelier.providers.vendors.openai.refusals import OPENAI, Names, explain

COST_HEADER = "x-litellm-response-cost"  # USD, of a LiteLLM proxy (its docs of 2026-10); 0 may be an unknown price
MAX_USD = 1_000  # a higher number is not a price


def _in_snake_case(counts: dict[str, int | None]) -> dict[str, int | None]:
    return {to_snake(name): count for name, count in counts.items()}


Counts = Annotated[dict[str, Lenient[int]], AfterValidator(_in_snake_case)]


class Tokens(VendorModel):
    input_tokens: Lenient[int] = None
    output_tokens: Lenient[int] = None
    input_tokens_details: Lenient[Counts] = None
    output_tokens_details: Lenient[Counts] = None


class Answer(VendorModel):
    """`size` and `quality` are what the vendor chose for `auto`; `cost_usd` is read from a header."""

    data: tuple[Lenient[Item], ...] = ()
    size: Lenient[str] = None
    quality: Lenient[str] = None
    background: Lenient[str] = None
    usage: Lenient[Tokens] = None
    cost_usd: Lenient[Decimal] = None


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


async def read(response: httpx.Response, job: Job, wire: Wire, names: Names = OPENAI) -> Reply:
    """Return every image of the answer, which may be a stream of events. Links are saved before they are followed."""
    body, id = response.content, request_id(response.headers)
    answer = _streamed(body, names) if is_event_stream(body) else parse_answer(Answer, body)
    answer.cost_usd = _stated_cost(response.headers)
    await note_links(id, answer, answer.data, wire)
    return await _reply(id, answer, job, wire, names)


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
        warnings=lost or ((too_few,) if len(pictures) < job.request.count else ()),
        collectable=any(failure.collectable for failure in failures),
        details={"request_id": id, **details},
    )


def _stated_cost(headers: httpx.Headers) -> Decimal | None:
    with suppress(InvalidOperation):
        usd = Decimal(headers.get(COST_HEADER, "none"))
        return usd if usd.is_finite() and 0 < usd < MAX_USD else None
    return None


def _streamed(body: bytes, names: Names) -> Answer:
    events = list[Event]()
    for data in sse_data(body):
        event = parse_refusal(Event, data)  # without any field if it is broken, so that the finished image is not lost
        if (status := error_status(data)) is not None:
            raise explain(httpx.Response(status, content=data), names)
        events.append(event)
    done = [event for event in events if not event.is_partial() and event.items()]
    if not done:
        partial = sum(event.is_partial() for event in events)
        after = f" after {partial} partial ones" if partial else ""
        raise invalid_response(f"{names.title}'s stream ended{after} without a finished image.")
    last = done[-1]
    data = tuple(item for event in done for item in event.items())
    return Answer(data=data, size=last.size, quality=last.quality, usage=last.usage)


def _usage(tokens: Tokens | None) -> Usage | None:
    if tokens is None:
        return None
    details = tokens.model_dump(include={"input_tokens_details", "output_tokens_details"}, exclude_none=True)
    return Usage(input_tokens=tokens.input_tokens or 0, output_tokens=tokens.output_tokens or 0, details=details)


async def collect(job: Job, wire: Wire, names: Names = OPENAI) -> Reply:
    """Return the images behind saved links, where they are still valid."""
    return await _reply(*noted(job, Answer), job, wire, names)
