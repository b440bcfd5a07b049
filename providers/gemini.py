"""Google: POST /v1beta/models/{id}:generateContent with JSON, `:predict` for Imagen; the pictures come back as base64.

Facts: the vendor's SDK 3.4 and docs as of 2026-11-20. Unknown fields are refused (400), and v1 has refused image
fields where v1beta takes them (js-genai#1322). What is moderated is mostly a 200 without a picture. Imagen has a part
of its own, and so have the answers.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import quote

from atelier.providers import gemini_imagen as imagen
from atelier.providers.core import gates
from atelier.providers.core.answers import base64_bytes, parsed
from atelier.providers.core.errors import quoted
from atelier.providers.core.images import picture
from atelier.providers.core.provider import Job, Provider, Reply
from atelier.providers.core.types import CURRENT, Endpoint, Feature, ImageRequest, Lifecycle, Model, Operation
from atelier.providers.core.wire import Wire, httpx
from atelier.providers.gemini_answers import Answer, explain, no_picture, said, usage
from atelier.providers.gemini_imagen import base64_of, present

ENDPOINT = Endpoint(
    base_url="https://generativelanguage.googleapis.com",
    base_url_variable="GOOGLE_GEMINI_BASE_URL",
    key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    key_header="x-goog-api-key",
    key_prefix="",
    trusted_hosts=("generativelanguage.googleapis.com",),
    timeout=180.0,
)

CONTENT = "generateContent"
"""`Model.wire` names the API, as the path does: this one, or Imagen's `predict`."""

BANANA, PRO = "gemini-nano-banana-2.1", "gemini-3-pro-image"
TEN_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")


def gemini(
    id: str,
    *aliases: str,
    ratios: tuple[str, ...] = (*TEN_RATIOS, "1:4", "4:1", "1:8", "8:1"),
    tiers: tuple[str, ...] = ("1k", "2k", "4k"),
    sources: int = 14,
    options: frozenset[str] = frozenset(),
    life: Lifecycle = CURRENT,
) -> Model:
    """A row of the Gemini image models: one picture a call, edited by instruction, never by mask."""
    return Model(
        id=id,
        aliases=aliases,
        operations=frozenset({Operation.GENERATE, Operation.EDIT}),
        aspect_ratios=ratios,
        resolutions=tiers,
        features=frozenset({Feature.SEED}),
        options=options,
        max_sources=sources,
        wire=CONTENT,
        lifecycle=life,
    )


def ended(year: int, month: int, day: int, successor: str = BANANA) -> Lifecycle:
    """Switched off on that day."""
    return Lifecycle("retired", date(year, month, day), successor)


ALL_TIERS = ("512", "1k", "2k", "4k")
FADING = Lifecycle("deprecated", None, BANANA)  # 2026-10-06, without an end date
ENDS_IN_MARCH = Lifecycle("deprecated", date(2027, 3, 15), BANANA)

MODELS = (
    gemini(BANANA, "nano-banana-2.1", "nano-banana", options=frozenset({"thinking_level"})),
    gemini(PRO, "nano-banana-pro", "nano-banana-pro-preview", ratios=TEN_RATIOS),
    gemini("gemini-3.1-flash-lite-image", "nano-banana-2-lite", tiers=("1k",)),
    gemini("gemini-3.1-flash-image", "nano-banana-2", tiers=ALL_TIERS, life=FADING),
    gemini("gemini-2.5-flash-image", ratios=TEN_RATIOS, tiers=(), sources=3, life=ENDS_IN_MARCH),
    gemini("gemini-3-pro-image-preview", ratios=TEN_RATIOS, life=ended(2026, 6, 25, PRO)),
    gemini("gemini-3.1-flash-image-preview", tiers=ALL_TIERS, life=ended(2026, 6, 25)),
    gemini("gemini-2.0-flash-preview-image-generation", ratios=(), tiers=(), sources=3, life=ended(2025, 11, 14)),
    gemini("gemini-2.0-flash-exp-image-generation", ratios=(), tiers=(), sources=3, life=ended(2025, 11, 14)),
    *imagen.MODELS,
)

WIDEST = {CONTENT: gemini("gemini"), imagen.PREDICT: imagen.WIDEST}
"""What each API has words for. An unlisted model is held to that, its ratios, tiers and options being its own."""


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the vendor's words. Absent stays absent."""
    asked, api = job.request, _api(job.model)
    if job.model.any_option:
        gates.admit(
            replace(asked, aspect_ratio=None, resolution=None, options={}), replace(WIDEST[api], id=job.model.id)
        )
    body = _body(asked) if api == CONTENT else imagen.body(asked)
    url = f"{job.endpoint.base_url}/v1beta/models/{quote(job.model.id, safe='')}:{api}"
    return httpx.Request("POST", url, json=body)


def _api(model: Model) -> str:
    return model.wire or (imagen.PREDICT if model.id.startswith("imagen") else CONTENT)


def _body(asked: ImageRequest) -> dict[str, Any]:
    """`thinking_level` is minimal, low, medium or high; an unlisted model's options are fields of generationConfig."""
    options = dict(asked.options)
    level = options.pop("thinking_level", None)
    pictures = [{"inlineData": {"mimeType": p.mime, "data": base64_of(p)}} for p in asked.sources]
    config = present(
        responseModalities=["IMAGE"],  # without it the answer may be words alone
        imageConfig=present(aspectRatio=asked.aspect_ratio, imageSize=asked.resolution and asked.resolution.upper()),
        seed=asked.seed,
        thinkingConfig=present(thinkingLevel=level and str(level).upper()),
        **options,
    )
    return {"contents": [{"role": "user", "parts": [{"text": asked.prompt}, *pictures]}], "generationConfig": config}


async def read(response: httpx.Response, job: Job, wire: Wire) -> Reply:
    """Every picture of the answer that is a result; a refusal when there is none."""
    answer, asked = parsed(Answer, response.content), job.request
    found = answer.found()
    if not found:
        raise no_picture(answer, asked.prompt)
    warnings = list[str]()
    served = (answer.model_version or job.model.id).removeprefix("models/")
    if served != job.model.id:
        warnings.append(f"Google answered with {quoted(served, 60)} in place of {job.model.id}.")
    if len(found) < asked.count:
        warnings.append(f"Google made {len(found)} of {asked.count} pictures{said(answer.withheld(), asked.prompt)}")
    if asked.seed is not None and _api(job.model) == imagen.PREDICT:
        warnings.append("The invisible watermark is off, because Imagen takes a seed only without it.")
    return Reply(
        pictures=tuple(picture(base64_bytes(data), prompt_used=prompt) for data, prompt in found),
        usage=usage(answer),
        warnings=tuple(warnings),
        details=present(
            request_id=answer.response_id, model_version=answer.model_version, text=quoted(answer.text()) or None
        ),
    )


PROVIDER = Provider(
    name="gemini",
    title="Google",
    names=("gemini", "google"),
    endpoint=ENDPOINT,
    models=MODELS,
    default=BANANA,
    prefixes=("gemini", "imagen", "nano-banana"),
    prepare=prepare,
    read=read,
    explain=explain,
)
