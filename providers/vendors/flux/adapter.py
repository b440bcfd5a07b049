"""Black Forest Labs: POST /v1/{model} with JSON names a task; its polling URL is asked until it links to the picture.

Facts: the vendor's OpenAPI and docs of 2026-05, FLUX 3 and flux-tools as read by third parties up to 2026-10. A blocked
picture is a status word in a 200. The first answer states the cost.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field, FiniteFloat

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.option_gates import SIDES
from atelier.providers.core.types import Feature, Picture
from atelier.providers.images.identify import picture
from atelier.providers.transport.vendor_json import Lenient, VendorModel, invalid_response, parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.flux.refusals import FAILURES, UNKNOWN

POLL_EVERY = 1.0  # seconds
USD_PER_CREDIT = Decimal("0.01")
MOST_CREDITS = 1_000_000  # 10,000 USD; what claims to cost more is no price

FIELDS = {"images": 10, "input_image": 8}
"""How many pictures a family has fields for; the others have one."""


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the vendor's words. Absent stays absent."""
    asked, offers = job.request, job.model
    if Feature.MASK in offers.features and asked.mask is None:  # the eraser needs one as much as inpainting does
        hint = "Give a mask that is white, or transparent, where the picture changes."
        raise ImageError(Reason.INVALID_REQUEST, f"{offers.id} cannot tell where to draw.", hint=hint)
    most = min(FIELDS.get(offers.wire, 1), offers.max_sources)
    if len(asked.sources) > most:  # of an unlisted model too: the vendor would drop the others and bill
        message = f"{offers.id} takes at most {most} source pictures; {len(asked.sources)} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give fewer.", facts={"option": "images"})
    width, height = job.size or (None, None)
    body: dict[str, Any] = {
        "prompt": asked.prompt or None,
        "width": width,
        "height": height,
        "aspect_ratio": None if job.size else asked.aspect_ratio,
        "resolution": None if job.size else asked.resolution,
        "seed": asked.seed,
        "output_format": asked.output_format,
        "image_prompt_strength": None if asked.strength is None else round(1 - asked.strength, 4),
        **asked.options,
        **_pictures(job),
    }
    present = {name: value for name, value in body.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/v1/{offers.id}", json=present)


def _pictures(job: Job) -> dict[str, Any]:
    """The sources and the mask in the fields of the family. The mask is white where it changes, as ours is."""
    sources, options = job.request.sources, job.request.options
    encoded = [_base64(source) for source in sources]
    match job.model.wire:
        case "images":
            return {"images": encoded or None}
        case "input_image":
            numbered = {f"input_image_{number}": data for number, data in enumerate(encoded[1:], 2)}
            return {"input_image": encoded[0] if encoded else None, **numbered}
        case "canvas":
            left, right, top, bottom = (int(options.get(side) or 0) for side in SIDES)
            width, height = left + sources[0].width + right, top + sources[0].height + bottom
            corner = {"reference_offset_x": left, "reference_offset_y": top}
            return {**dict.fromkeys(SIDES), "input_image": encoded[0], "width": width, "height": height, **corner}
        case field:
            mask = _base64(job.request.mask) if job.request.mask else None
            return {field: encoded[0] if encoded else None, "mask": mask}


class Task(VendorModel):
    """The first answer. `cost` is in credits and follows from the megapixels that go in and come out."""

    id: Lenient[str] = None
    polling_url: str = ""
    cost: Lenient[Annotated[Decimal, Field(ge=0, lt=MOST_CREDITS)]] = None
    input_mp: Lenient[FiniteFloat] = None
    output_mp: Lenient[FiniteFloat] = None


class Result(VendorModel):
    """`sample` is a signed link that lasts about ten minutes. FLUX 3 tells its rewriting as `expanded_prompt`."""

    sample: str = ""
    seed: Lenient[Annotated[int, Field(ge=0, lt=2**64)]] = None
    prompt: Lenient[str] = None
    expanded_prompt: Lenient[str] = None


class Status(VendorModel):
    status: str = ""
    result: Lenient[Result] = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Wait for the task and fetch its picture. The task is paid for by now."""
    task = parse_answer(Task, response.content)
    if not (task.polling_url or task.id):
        raise invalid_response("Black Forest Labs took the request but names no task.")
    await wire.save_vendor_task(task.model_dump(mode="json"))
    return await _collected(task, job, wire)


async def resume(job: Job, wire: Wire) -> Reply:
    """The same for a task that was written down."""
    return await _collected(Task.model_validate(job.task), job, wire)


async def _collected(task: Task, job: Job, wire: Wire) -> Reply:
    """The picture of a task. A failure tells which task it was and what it costs."""
    cost = None if task.cost is None else task.cost * USD_PER_CREDIT
    facts = {"request_id": task.id, "cost_usd": cost}
    try:
        given = task.polling_url or f"v1/get_result?id={quote(task.id or '', safe='')}"
        facts["polling_url"] = url = _address(f"{job.endpoint.base_url}/", given)
        await wire.on_progress("Black Forest Labs has queued the picture.")
        made = await _fetched(url, job, wire)
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
        pictures=(made,),
        cost_usd=cost,
        details={"request_id": task.id, **task.model_dump(include={"input_mp", "output_mp"}, exclude_none=True)},
    )


def _address(base: str, link: str) -> str:
    """Where a link of the vendor's leads; invalid_response when that is nowhere on the web."""
    try:
        url = httpx.URL(base).join(link)
        found = url.scheme in ("http", "https") and bool(url.host)
    except (httpx.InvalidURL, ValueError):  # the latter for a host that is wrong in punycode
        url, found = base, False
    if not found:
        raise invalid_response("Black Forest Labs gave a link that is no address.")
    return str(url)


async def _fetched(url: str, job: Job, wire: Wire) -> Picture:
    """The picture of a task. Where its link has died by then, or leads to a broken one, it is asked for once more."""
    result = await _finished(url, wire)
    try:
        return await _drawn(result, job, wire)
    except ImageError as error:
        failure = error
    try:
        return await _drawn(await _finished(url, wire), job, wire)
    except ImageError as error:
        raise (error if error.collectable else failure) from None


async def _drawn(result: Result, job: Job, wire: Wire) -> Picture:
    used = result.expanded_prompt or result.prompt
    rewritten = used if used != job.request.prompt else None
    return picture(await wire.download(result.sample), prompt_used=rewritten, seed=result.seed)


async def _finished(url: str, wire: Wire) -> Result:
    """What became of the task, telling each stage on the way once. A word that we do not know means: still at work."""
    ahead = ["Reasoning", "Generating"]

    def is_news(answer: httpx.Response) -> bool:
        told = parse_answer(Status, answer.content)
        if told.status == UNKNOWN:
            raise wire.refusal(answer)
        if told.status == "Ready" and not (told.result and told.result.sample):
            raise invalid_response("Black Forest Labs says that the picture is ready but does not link to it.")
        return told.status in ("Ready", *FAILURES, *ahead)

    while True:
        response = await wire.poll(url, is_news, every=POLL_EVERY)
        task = parse_answer(Status, response.content)
        if task.status not in ahead:
            break
        ahead.remove(task.status)
        await wire.on_progress(f"Black Forest Labs is {task.status.lower()}.")
    if task.status in FAILURES:
        raise wire.refusal(response)
    assert task.result, "it is ready"
    return task.result


def _base64(source: Picture) -> str:
    return base64.b64encode(source.image_bytes).decode()
