"""OpenAI: POST /images/generations with JSON; the pictures come back in the answer as base64.

Facts: the vendor's SDK 3.52 and docs as of 2026-11-20. Unknown fields are refused (400 unknown_parameter) and
`response_format` is one of them. A moderated prompt is a 400, never a 200.
"""

from __future__ import annotations

from datetime import date

from atelier.providers.core.answers import (
    Lenient,
    bad_answer,
    base64_bytes,
    parsed,
    parsed_refusal,
    reason_of,
)
from atelier.providers.core.errors import ImageError, Reason, quoted
from atelier.providers.core.images import picture
from atelier.providers.core.provider import Job, Provider, Reply
from atelier.providers.core.sizes import SizeRule
from atelier.providers.core.types import CURRENT, Endpoint, Feature, Lifecycle, Model, Operation, Usage
from atelier.providers.core.wire import Wire, httpx, retry_after

ENDPOINT = Endpoint(
    base_url="https://api.openai.com/v1",
    base_url_variable="OPENAI_BASE_URL",
    key_variables=("OPENAI_API_KEY",),
    trusted_hosts=("api.openai.com",),
    timeout=300.0,  # complex prompts at high quality take minutes
)

FREE_SIZES = SizeRule(step=16, max_edge=3840, min_pixels=655_360, max_pixels=8_294_400, max_ratio=3)
"""GPT Image 2 and later (SDK docstring, 2026-11)."""


def gpt_image(
    id: str,
    *snapshots: str,
    qualities: tuple[str, ...] = ("auto", "low", "medium", "high", "xhigh", "max"),
    size_rule: SizeRule | None = FREE_SIZES,
    lifecycle: Lifecycle = CURRENT,
) -> Model:
    """A row of the GPT Image family; what differs within it is an argument."""
    return Model(
        id=id,
        snapshots=snapshots,
        operations=frozenset({Operation.GENERATE}),
        sizes=("auto", "1024x1024", "1536x1024", "1024x1536"),
        size_rule=size_rule,
        resolutions=("1k", "2k", "4k") if size_rule else (),
        qualities=qualities,
        backgrounds=("auto", "opaque", "transparent"),
        formats=("png", "jpeg", "webp"),
        features=frozenset({Feature.COMPRESSION}),
        max_count=10,
        max_prompt=32_000,
        lifecycle=lifecycle,
    )


DALL_E = "dall-e"
"""The older dialect: `response_format` is needed where the GPT Image models refuse it."""


def dall_e(id: str, sizes: tuple[str, ...], *, count: int, prompt: int) -> Model:
    """A row of the DALL-E family, shut down on 2026-05-12; some compatible hosts still serve it."""
    latest = id == "dall-e-3"
    return Model(
        id=id,
        operations=frozenset({Operation.GENERATE}),
        sizes=sizes,
        qualities=("standard", "hd") if latest else (),
        styles=("vivid", "natural") if latest else (),
        max_count=count,
        max_prompt=prompt,
        wire=DALL_E,
        lifecycle=Lifecycle("retired", date(2026, 5, 12), FLARE),
    )


FLARE = "gpt-image-2.5-flare"
THREE_QUALITIES = ("auto", "low", "medium", "high")
ENDING = Lifecycle("deprecated", date(2026, 12, 1), FLARE)  # announced 2026-06-02, renewed 2026-10

MODELS = (
    gpt_image("gpt-image-2.6-flare"),
    gpt_image("gpt-image-2.6-sunburst"),
    gpt_image(FLARE, "gpt-image-2.5-flare-2026-09-08"),
    gpt_image("gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08"),
    gpt_image("gpt-image-2", "gpt-image-2-2026-04-21", qualities=THREE_QUALITIES),
    gpt_image(
        "gpt-image-1.5",
        "gpt-image-1.5-2025-12-16",
        qualities=THREE_QUALITIES,
        size_rule=None,
        lifecycle=ENDING,
    ),
    gpt_image("gpt-image-1-mini", qualities=THREE_QUALITIES, size_rule=None, lifecycle=ENDING),
    gpt_image("chatgpt-image-latest", qualities=THREE_QUALITIES, size_rule=None, lifecycle=ENDING),
    gpt_image(
        "gpt-image-1",
        qualities=THREE_QUALITIES,
        size_rule=None,
        lifecycle=Lifecycle("retired", date(2026, 10, 23), FLARE),
    ),
    dall_e("dall-e-3", ("1024x1024", "1792x1024", "1024x1792"), count=1, prompt=4_000),
    dall_e("dall-e-2", ("256x256", "512x512", "1024x1024"), count=10, prompt=1_000),
)


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the vendor's words. Absent stays absent."""
    asked = job.request
    body = {
        "model": job.model.id,
        "prompt": asked.prompt,
        "n": asked.count if asked.count > 1 else None,
        "size": f"{job.size[0]}x{job.size[1]}" if job.size else asked.size,
        "quality": asked.quality,
        "style": asked.style,
        "background": asked.background,
        "output_format": asked.output_format,
        "output_compression": asked.compression,
        "response_format": "b64_json" if job.model.wire == DALL_E else None,
        **asked.options,
    }
    present = {name: value for name, value in body.items() if value is not None}
    return httpx.Request("POST", f"{job.endpoint.base_url}/images/generations", json=present)


class Item(Lenient):
    b64_json: str | None = None
    revised_prompt: str | None = None


class Tokens(Lenient):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: dict[str, int] | None = None
    output_tokens_details: dict[str, int] | None = None


class Answer(Lenient):
    """`size` and `quality` tell what `auto` became."""

    data: tuple[Item, ...] = ()
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    usage: Tokens | None = None


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Every picture of the answer."""
    answer = parsed(Answer, response.content)
    pictures = tuple(
        picture(base64_bytes(item.b64_json), prompt_used=item.revised_prompt) for item in answer.data if item.b64_json
    )
    if not pictures:
        raise bad_answer("OpenAI answered without a picture.")
    short = f"OpenAI made {len(pictures)} of {job.request.count} pictures."
    details = answer.model_dump(include={"size", "quality", "background"}, exclude_none=True)
    return Reply(
        pictures=pictures,
        usage=_usage(answer.usage),
        warnings=(short,) if len(pictures) < job.request.count else (),
        details={"request_id": response.headers.get("x-request-id"), **details},
    )


def _usage(tokens: Tokens | None) -> Usage | None:
    if tokens is None:
        return None
    details = tokens.model_dump(include={"input_tokens_details", "output_tokens_details"}, exclude_none=True)
    return Usage(input_tokens=tokens.input_tokens, output_tokens=tokens.output_tokens, details=details)


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
    Reason.UNKNOWN_MODEL: "The account may lack access to this model; try another one.",
    Reason.RATE_LIMITED: "Wait a moment and call again.",
    Reason.PROVIDER_UNAVAILABLE: "Try again later or use another vendor.",
}


class Trouble(Lenient):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class Refusal(Lenient):
    error: Trouble = Trouble()


def explain(response: httpx.Response) -> ImageError:
    """`{"error": {"message", "type", "param", "code"}}`, or whatever a gateway in between made of it."""
    error = parsed_refusal(Refusal, response.content).error
    code = quoted(error.code or error.type or "", 60)
    reason = REASONS.get(code) or reason_of(response.status_code)
    return ImageError(
        reason,
        f"OpenAI answered {response.status_code}{f' {code}' if code else ''}"
        + (f": “{quoted(error.message)}”" if error.message else "."),
        hint=HINTS.get(reason, "Change the request as the message says."),
        retry_after=retry_after(response.headers),
        facts={"request_id": response.headers.get("x-request-id"), "code": code},
    )


PROVIDER = Provider(
    name="openai",
    title="OpenAI",
    names=("openai", "dall-e"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=FLARE,
    prefixes=("gpt-image", "chatgpt-image", "dall-e"),
    prepare=prepare,
    read=read,
    explain=explain,
)
