"""A task of Black Forest Labs: what the first answer says of it, how it is polled, and its image.

Facts: the vendor's OpenAPI and docs of 2026-05, FLUX 3 as read by third parties up to 2026-10.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, FiniteFloat

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Picture
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import (
    Lenient,
    VendorModel,
    invalid_response,
    is_data_uri,
    parse_answer,
    spelled,
)
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply

POLL_INTERVAL = 1.0  # seconds
USD_PER_CREDIT = Decimal("0.01")
MAX_CREDITS = 1_000_000  # 10,000 USD; a higher number is not a price

READY = "Ready"
STAGES = ("Reasoning", "Generating")
UNKNOWN = "Task not found"
"""Also the answer of a region of the vendor that does not know of a new task yet."""

FAILURES: dict[str, Reason] = {
    "Request Moderated": Reason.CONTENT_POLICY,
    "Content Moderated": Reason.CONTENT_POLICY,
    "Error": Reason.INVALID_RESPONSE,
    UNKNOWN: Reason.INVALID_RESPONSE,
}
"""Status of a task that ended without an image -> reason. It comes with 200, from FLUX 3 also with 422 and 503.

Only `UNKNOWN` is polled again. `reply_of` reports "Error" as provider_unavailable.
"""


TaskState = Annotated[str, spelled(READY, *STAGES, *FAILURES)]


class Task(VendorModel):
    """The first answer. `cost` is in credits and follows from the megapixels that go in and come out."""

    id: Lenient[str] = None
    polling_url: str = ""
    cost: Lenient[Annotated[Decimal, Field(ge=0, lt=MAX_CREDITS)]] = None
    input_mp: Lenient[FiniteFloat] = None
    output_mp: Lenient[FiniteFloat] = None


class Result(VendorModel):
    """`sample` is a signed link, valid for about ten minutes. FLUX 3 calls the rewritten prompt `expanded_prompt`."""

    sample: str = ""
    seed: Lenient[Annotated[int, Field(ge=0, lt=2**64)]] = None
    prompt: Lenient[str] = None
    expanded_prompt: Lenient[str] = None


class Status(VendorModel):
    status: TaskState = ""
    result: Lenient[Result] = None


async def reply_of(task: Task, job: Job, wire: Wire) -> Reply:
    """Wait for a task and return its image. An error has the task id and the stated cost among its facts."""
    cost = None if task.cost is None else task.cost * USD_PER_CREDIT
    facts = {"request_id": task.id, "cost_usd": cost}
    try:
        link = task.polling_url or f"v1/get_result?id={quote(task.id or '', safe='')}"
        facts["polling_url"] = url = _address(f"{job.endpoint.base_url}/", link)
        await wire.on_progress("Black Forest Labs has queued the image.")
        image = await _image_of(url, job, wire)
    except ImageError as error:
        error.facts |= facts
        if error.facts.get("code") == "Error":
            error.reason = Reason.PROVIDER_UNAVAILABLE
        if error.retryable or error.collectable or cost is None:
            error.facts["outcome"] = "unknown"
        elif error.reason is Reason.CONTENT_POLICY:
            error.hint += f" The vendor stated a cost of {cost:f} USD for this task."
        if error.reason is Reason.AUTHENTICATION:
            error.hint = "The key goes to the host of BFL_BASE_URL; a gateway has to give polling addresses of its own."
        raise
    return Reply(
        pictures=(image,),
        cost_usd=cost,
        details={"request_id": task.id, **task.model_dump(include={"input_mp", "output_mp"}, exclude_none=True)},
    )


def _address(base: str, link: str) -> str:
    """Return the address of a link that may be relative. Raises invalid_response for one that is no web address."""
    try:
        url = httpx.URL(base).join(link)
        valid = url.scheme in ("http", "https") and bool(url.host)
    except (httpx.InvalidURL, ValueError):  # ValueError: a host that is not valid punycode
        url, valid = base, False
    if not valid:
        raise invalid_response("Black Forest Labs gave a link that is no address.")
    return str(url)


async def _image_of(url: str, job: Job, wire: Wire) -> Picture:
    """Return the image of a task. If its link is dead or leads to a broken image, poll for a new link once."""
    result = await _finished(url, wire)
    try:
        return await _downloaded(result, job, wire)
    except ImageError as error:
        failure = error
    try:
        return await _downloaded(await _finished(url, wire), job, wire)
    except ImageError as error:
        raise (error if error.collectable else failure) from None


async def _downloaded(result: Result, job: Job, wire: Wire) -> Picture:
    used = result.expanded_prompt or result.prompt
    rewritten = used if used != job.request.prompt else None
    image = picture(await wire.download(result.sample), prompt_used=rewritten, seed=result.seed)
    return image if is_data_uri(result.sample) else replace(image, url=str(wire.resolve_link(result.sample)))


async def _finished(url: str, wire: Wire) -> Result:
    """Poll until the task has ended, and report each stage once. An unknown status means that it still runs."""
    stages = list(STAGES)

    def is_news(answer: httpx.Response) -> bool:
        task = parse_answer(Status, answer.content)
        if task.status == UNKNOWN:
            raise wire.refusal(answer)
        if task.status == READY and not (task.result and task.result.sample):
            raise invalid_response("Black Forest Labs says that the image is ready but does not link to it.")
        return task.status in (READY, *FAILURES, *stages)

    while True:
        response = await wire.poll(url, is_news, every=POLL_INTERVAL)
        task = parse_answer(Status, response.content)
        if task.status not in stages:
            break
        stages.remove(task.status)
        await wire.on_progress(f"Black Forest Labs is {task.status.lower()}.")
    if task.status in FAILURES:
        raise wire.refusal(response)
    assert task.result, "is_news has checked it"
    return task.result
