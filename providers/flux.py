"""Black Forest Labs: POST /v1/{model} with JSON names a task; its polling URL is asked until it links to the picture.

Facts: the vendor's OpenAPI and docs of 2026-05, FLUX 3 and flux-tools as read by third parties up to 2026-10. FLUX 3
and outpainting-v1 refuse an unknown field with 422; the older families drop it without a word and bill, so a row lists
nothing that its family does not take. A blocked picture is a status word in a 200. The first answer states the cost.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from pydantic import JsonValue

from atelier.providers.core.answers import Lenient, bad_answer, parsed, parsed_refusal, reason_of
from atelier.providers.core.errors import ImageError, Reason, quoted
from atelier.providers.core.images import picture
from atelier.providers.core.provider import Job, Provider, Reply
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import CURRENT, Endpoint, Feature, Lifecycle, Model, Operation, Picture
from atelier.providers.core.wire import Wire, httpx, retry_after

ENDPOINT = Endpoint(
    base_url="https://api.bfl.ai",
    base_url_variable="BFL_BASE_URL",
    key_variables=("BFL_API_KEY",),
    key_header="x-key",
    key_prefix="",
    trusted_hosts=("bfl.ai",),  # a task is polled where it runs, for example at api.eu2.bfl.ai
    timeout=60.0,  # of one exchange; a task may take minutes
)

POLL_EVERY = 1.0  # seconds
USD_PER_CREDIT = Decimal("0.01")

GENERATE, EDIT, VARIATION = Operation.GENERATE, Operation.EDIT, Operation.VARIATION
NOTHING, SEED, MASK = frozenset[Feature](), frozenset({Feature.SEED}), frozenset({Feature.MASK})
SIDES = ("left", "right", "top", "bottom")
SAMPLING = ("prompt_upsampling", "steps", "guidance")
WIDE = ("21:9", "2:1", "16:9", "3:2", "7:5", "4:3", "5:4")
RATIOS = (*WIDE, "1:1", "4:5", "3:4", "5:7", "2:3", "9:16", "1:2", "9:21")
"""FLUX 3 knows these by name; ultra and Kontext take any ratio from the first to the last."""


def row(id: str, wire: str, *operations: Operation, own: tuple[str, ...] = (), **columns: Any) -> Model:
    """A row with what most have in common.

    `wire` is the field that takes the sources: `image_prompt`, `image` or `control_image` for one, `input_image`,
    `input_image_2` and so on for several, `images` for a list; `canvas` is input_image on a canvas of given size.
    `own` are the vendor's own options besides `safety_tolerance`, which every model takes.
    """
    options = frozenset({"safety_tolerance", *own})
    common: dict[str, Any] = {"formats": ("jpeg", "png", "webp"), "features": SEED, "max_sources": 1}
    return Model(id=id, wire=wire, operations=frozenset(operations), options=options, **{**common, **columns})


def flux_1(id: str, *own: str, lifecycle: Lifecycle = CURRENT) -> Model:
    """FLUX.1; an image prompt makes a variation."""
    rule = SizeRule(step=32, min_edge=256, max_edge=1440, max_pixels=1440**2, max_ratio=6)
    own = ("prompt_upsampling", *own)
    return row(id, "image_prompt", GENERATE, VARIATION, own=own, size_rule=rule, lifecycle=lifecycle)


def flux_2(id: str, *own: str, sources: int = 8) -> Model:
    """FLUX.2, up to 4 megapixels. The vendor names no longest edge; 4096 is ours."""
    rule = SizeRule(step=16, min_edge=64, max_edge=4096, max_pixels=2048**2, max_ratio=64)
    tiers = ("512", "1k", "1.5k", "2k")
    return row(id, "input_image", GENERATE, EDIT, own=own, size_rule=rule, resolutions=tiers, max_sources=sources)


def flux_3(id: str, *own: str) -> Model:
    """FLUX 3: ratio and tier by name; no pixels, seed or format (its schema of 2026-10-01)."""
    by_name = {"aspect_ratios": ("auto", *RATIOS), "resolutions": ("768sq", "1k", "1.5k", "2k", "4k")}
    return row(id, "images", GENERATE, EDIT, own=own, **by_name, formats=(), features=NOTHING, max_sources=10)


def kontext(id: str) -> Model:
    """FLUX.1 Kontext: an instruction and up to four pictures."""
    own = ("prompt_upsampling",)
    return row(id, "input_image", GENERATE, EDIT, own=own, aspect_ratios=RATIOS, max_sources=4)


def ultra(id: str) -> Model:
    """FLUX 1.1 ultra: 4 megapixels in a ratio, and an image prompt with a strength."""
    own, takes = ("prompt_upsampling", "raw"), SEED | {Feature.STRENGTH}
    return row(id, "image_prompt", GENERATE, VARIATION, own=own, aspect_ratios=RATIOS, features=takes)


def erase(id: str, *aliases: str) -> Model:
    """Takes away what the mask covers. It has no prompt."""
    own = ("dilate_pixels",)
    return row(id, "image", Operation.ERASE, own=own, aliases=aliases, features=SEED | MASK, max_prompt=0)


def outpainting(id: str, *aliases: str) -> Model:
    """Puts the source on a larger canvas."""
    own = ("mode", "disable_pup", *SIDES)
    return row(id, "canvas", Operation.OUTPAINT, own=own, aliases=aliases, features=NOTHING)


DEFAULT = "flux-2-pro"
UNLISTED = Lifecycle("deprecated", None, DEFAULT)  # gone from the vendor's spec in 2026, end not announced

MODELS = (
    flux_2(DEFAULT, "disable_pup"),
    flux_2("flux-2-pro-preview", "disable_pup"),
    flux_2("flux-2-max", "disable_pup"),
    flux_2("flux-2-flex", *SAMPLING),
    flux_2("flux-2-klein-9b", sources=4),
    flux_2("flux-2-klein-9b-preview", sources=4),
    flux_2("flux-2-klein-4b", sources=4),
    flux_3("flux-3-image", "grounding", "version"),
    flux_3("flux-3-image-klein"),  # schema unverified; gateways price it by the same resolution words
    kontext("flux-kontext-pro"),
    kontext("flux-kontext-max"),
    flux_1("flux-pro-1.1"),
    ultra("flux-pro-1.1-ultra"),
    flux_1("flux-dev", "steps", "guidance"),
    row("flux-pro-1.0-fill", "image", Operation.INPAINT, own=SAMPLING, features=SEED | MASK),
    row("flux-pro-1.0-expand", "image", Operation.OUTPAINT, own=(*SAMPLING, *SIDES)),
    erase("flux-tools/erase-v1", "flux-erase"),
    outpainting("flux-tools/outpainting-v1", "flux-outpainting"),
    flux_1("flux-pro", lifecycle=UNLISTED),
    row("flux-pro-1.0-canny", "control_image", EDIT, own=SAMPLING, lifecycle=UNLISTED),
    row("flux-pro-1.0-depth", "control_image", EDIT, own=SAMPLING, lifecycle=UNLISTED),
)

ANY_OPTION = ("negative_prompt", "quality", "style", "background")
"""No listed model takes these; of an unlisted one the vendor shall say."""


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the vendor's words. Absent stays absent."""
    asked, offers = job.request, job.model
    missing = ""
    if Feature.MASK in offers.features and asked.mask is None:
        missing = "Give a mask that is white, or transparent, where the picture changes."
    if offers.options.issuperset(SIDES) and not any(asked.options.get(side) for side in SIDES):
        missing = f"Say how many pixels to add: {', '.join(SIDES)}."
    if missing:
        raise ImageError(Reason.INVALID_REQUEST, f"{offers.id} cannot tell where to draw.", hint=missing)
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
        **{name: getattr(asked, name) for name in ANY_OPTION},
        **asked.options,
        **_pictures(job),
    }
    present = {name: value for name, value in body.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/v1/{offers.id}", json=present)


def _pictures(job: Job) -> dict[str, Any]:
    """The sources and the mask in the fields of the family. The mask is white where it changes, as ours is."""
    sources, options = job.request.sources, job.request.options
    encoded = [_base64(source) for source in sources]
    mask = _base64(job.request.mask) if job.request.mask else None
    match job.model.wire or ("images" if job.model.id.startswith("flux-3") else "input_image"):
        case "images":
            return {"images": encoded or None, "mask": mask}
        case "input_image":
            numbered = {f"input_image_{number}": data for number, data in enumerate(encoded[1:], 2)}
            return {"input_image": encoded[0] if encoded else None, **numbered, "mask": mask}
        case "canvas":
            left, right, top, bottom = (int(options.get(side) or 0) for side in SIDES)
            width, height = left + sources[0].width + right, top + sources[0].height + bottom
            corner = {"reference_offset_x": left, "reference_offset_y": top}
            return {**dict.fromkeys(SIDES), "input_image": encoded[0], "width": width, "height": height, **corner}
        case field:
            return {field: encoded[0] if encoded else None, "mask": mask}


class Task(Lenient):
    """The first answer. `cost` is in credits and follows from the megapixels that go in and come out."""

    id: str = ""
    polling_url: str = ""
    cost: Decimal | None = None
    input_mp: float | None = None
    output_mp: float | None = None


class Result(Lenient):
    """`sample` is a signed link that lasts about ten minutes. FLUX 3 tells its rewriting as `expanded_prompt`."""

    sample: str = ""
    seed: int | None = None
    prompt: str | None = None
    expanded_prompt: str | None = None


class Status(Lenient):
    status: str = ""
    result: Result | None = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Wait for the task and fetch its picture. It is paid for by now, so a failure tells which it was and its cost."""
    task, asked = parsed(Task, response.content), job.request
    if not (task.polling_url or task.id):
        raise bad_answer("Black Forest Labs took the request but names no task.")
    url = str(httpx.URL(f"{job.endpoint.base_url}/").join(task.polling_url or f"v1/get_result?id={task.id}"))
    cost = None if task.cost is None else task.cost * USD_PER_CREDIT
    try:
        result = await _finished(url, wire)
        used = result.expanded_prompt or result.prompt
        rewritten = used if used != asked.prompt else None
        made = picture(await _downloaded(result.sample, wire), prompt_used=rewritten, seed=result.seed)
    except ImageError as error:
        error.facts |= {"request_id": task.id, "polling_url": url, "cost_usd": cost}
        if error.retryable:
            error.facts["outcome"] = "unknown"
        if error.reason is Reason.AUTHENTICATION:
            error.hint = "The polling address is on a host that may not see the key; a gateway has to give its own."
        raise
    short = f"Black Forest Labs makes one picture a call; 1 of {asked.count} came."
    return Reply(
        pictures=(made,),
        cost_usd=cost,
        warnings=(short,) if asked.count > 1 else (),
        details={"request_id": task.id, **task.model_dump(include={"input_mp", "output_mp"}, exclude_none=True)},
    )


async def _finished(url: str, wire: Wire) -> Result:
    """What became of the task. A word that we do not know means that it is still at work."""
    words = ("Ready", *FAILURES)
    response = await wire.poll(url, lambda answer: parsed(Status, answer.content).status in words, every=POLL_EVERY)
    ended = parsed(Status, response.content)
    if ended.status in FAILURES:
        raise explain(response)
    if ended.result is None or not ended.result.sample:
        raise bad_answer("Black Forest Labs says that the picture is ready but does not link to it.")
    return ended.result


async def _downloaded(url: str, wire: Wire) -> bytes:
    """The bytes behind the link. A refusal there speaks of the link, for the key does not go there."""
    try:
        return await wire.download(url)
    except ImageError as error:
        if error.retryable:
            raise
        raise bad_answer(f"The picture could not be fetched from its link: {error.message}") from None


FAILURES: dict[str, Reason] = {
    "Request Moderated": Reason.CONTENT_POLICY,
    "Content Moderated": Reason.CONTENT_POLICY,
    "Error": Reason.PROVIDER_UNAVAILABLE,
    "Task not found": Reason.INVALID_RESPONSE,
}
"""The words that end a task without a picture. They come with 200, from FLUX 3 also with 422 and 503."""

HINTS: dict[Reason, str] = {
    Reason.CONTENT_POLICY: "Reword the prompt or use other source pictures.",
    Reason.QUOTA_EXCEEDED: "Add credits to the Black Forest Labs account or use another vendor.",
    Reason.AUTHENTICATION: "Check BFL_API_KEY.",
    Reason.UNKNOWN_MODEL: "Call list_models for the models that are known here.",
    Reason.RATE_LIMITED: "Wait until tasks are done; the vendor runs 24 at once, of flux-kontext-max 6.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
    Reason.INVALID_RESPONSE: "Try again or use another model; the vendor may have billed this call.",
}


class Complaint(Lenient):
    """One of FastAPI's validation errors; `loc` begins with "body"."""

    loc: tuple[str | int, ...] = ()
    msg: str = ""
    type: str = ""


class Refusal(Lenient):
    """A request that was refused (`detail`) or a task that failed (`status` and `details`)."""

    detail: str | tuple[Complaint, ...] = ()
    status: str = ""
    details: JsonValue = None


def explain(response: httpx.Response) -> ImageError:
    """`{"detail": "..."}`, `{"detail": [{"loc", "msg", "type"}]}`, or a failed task: `{"status", "details"}`."""
    refusal = parsed_refusal(Refusal, response.content)
    told, reason = f"answered {response.status_code}", reason_of(response.status_code)
    words: object = refusal.detail
    facts = dict[str, Any]()
    if refusal.status in FAILURES:
        told, reason = f"ended the task with “{refusal.status}”", FAILURES[refusal.status]
        words, facts["code"] = refusal.details, refusal.status
        if reason is not Reason.CONTENT_POLICY:
            facts["outcome"] = "unknown"
    elif isinstance(refusal.detail, tuple):
        words = "; ".join(f"{'.'.join(map(str, each.loc[1:]))}: {each.msg}" for each in refusal.detail)
        if any(each.type == "extra_forbidden" for each in refusal.detail):
            reason = Reason.UNSUPPORTED_OPTION
    return ImageError(
        reason,
        f"Black Forest Labs {told}" + (f": “{quoted(words)}”" if words else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts=facts,
    )


def _base64(source: Picture) -> str:
    return base64.b64encode(source.image_bytes).decode()


PROVIDER = Provider(
    name="flux",
    title="Black Forest Labs",
    names=("flux", "bfl"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=DEFAULT,
    prefixes=("flux",),
    prepare=prepare,
    read=read,
    explain=explain,
)
