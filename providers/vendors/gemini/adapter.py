"""Google: POST /v1beta/models/{id}:generateContent with JSON, `:predict` for Imagen; the pictures come back as base64,
or behind links where a gateway answers so.

Facts: the vendor's SDK 3.4 and docs as of 2026-11-20. Unknown fields are refused (400), and v1 has refused image
fields where v1beta takes them (js-genai#1322). What is moderated is mostly a 200 without a picture. The rows, Imagen
and the answers have parts of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from atelier.providers.core.errors import sanitize
from atelier.providers.core.gates import preflight
from atelier.providers.core.types import ImageRequest, Model
from atelier.providers.transport.vendor_json import parse_answer
from atelier.providers.transport.wire import Wire, httpx
from atelier.providers.vendors.contract import Job, Reply
from atelier.providers.vendors.gemini import imagen
from atelier.providers.vendors.gemini.imagen import base64_of, present
from atelier.providers.vendors.gemini.models import CONTENT, PREDICT, WIDEST
from atelier.providers.vendors.gemini.replies import draft, no_picture, said, usage
from atelier.providers.vendors.gemini.shapes import Answer
from atelier.providers.vendors.image_links import images_of, losses, note_links, noted


def prepare(job: Job) -> httpx.Request:
    """What is asked, in the vendor's words. Absent stays absent."""
    asked, api = job.request, _api(job.model)
    if job.model.any_value:
        preflight.check_request(
            replace(asked, aspect_ratio=None, resolution=None, options={}), replace(WIDEST[api], id=job.model.id)
        )
    body = _body(asked) if api == CONTENT else imagen.body(asked)
    url = f"{job.endpoint.base_url}/v1beta/models/{quote(job.model.id, safe='')}:{api}"
    return httpx.Request("POST", url, json=body)


def _api(model: Model) -> str:
    return model.wire or (PREDICT if model.id.startswith("imagen") else CONTENT)


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
    """Every picture of the answer that is a result, else the last draft; a refusal when there is none.

    Where a gateway answers with links, they are written down before they are followed.
    """
    answer = parse_answer(Answer, response.content)
    await note_links(answer.response_id, answer, draft(answer) or answer.results(), wire)
    return await _collected(answer, job, wire)


async def resume(job: Job, wire: Wire) -> Reply:
    """The pictures whose links were written down, as far as they are still alive."""
    _, answer = noted(job, Answer)
    return await _collected(answer, job, wire)


async def _collected(answer: Answer, job: Job, wire: Wire) -> Reply:
    asked, drafts = job.request, draft(answer)
    found = drafts or answer.results()
    if not any(found):
        raise no_picture(answer)
    pictures, failures = await images_of("Google", found, wire)
    warnings = list(losses(pictures, failures))
    if drafts:
        warnings.append("Google marked this picture as a thought, a draft on the way to the result, and sent no other.")
    served = (answer.model_version or job.model.id).removeprefix("models/")
    if served != job.model.id:
        warnings.append(f"Google answered with {sanitize(served, 60)} in place of {job.model.id}.")
    if len(found) < asked.count:
        warnings.append(f"Google made {len(found)} of {asked.count} pictures{said(answer.withheld())}")
    if asked.seed is not None and _api(job.model) == PREDICT:
        warnings.append("The invisible watermark is off, because Imagen takes a seed only without it.")
    return Reply(
        pictures=pictures,
        usage=usage(answer),
        warnings=tuple(warnings),
        collectable=any(failure.collectable for failure in failures),
        details=present(
            request_id=answer.response_id, model_version=answer.model_version, text=sanitize(answer.text()) or None
        ),
    )
