"""Answers in the shape of OpenAI's API. What it has no field for is under `atelier`; its clients pass over that."""

from __future__ import annotations

import time
from base64 import b64encode

from pydantic import BaseModel

from atelier.providers.core.results import ResultImage, Usage
from atelier.server.http.errors import for_program
from atelier.tools.image_answer import ImageOutput
from atelier.tools.tool import Answer


class ImageItem(BaseModel):
    """One image: its bytes, or a link where the client requested one. `id` names it in later calls."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None
    id: str | None = None


class TokenShares(BaseModel):
    """Tokens by what they stand for."""

    text_tokens: int = 0
    image_tokens: int = 0


class TokenUsage(BaseModel):
    """Tokens as the vendor counted them."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: TokenShares | None = None
    output_tokens_details: TokenShares | None = None


class CallFacts(BaseModel):
    """Which model answered, what it cost, and what the caller should know."""

    provider: str
    model: str
    estimated_usd: float | None = None
    actual_usd: float | None = None
    request_id: str | None = None
    warnings: list[str] | None = None


class ImagesAnswer(BaseModel):
    """The answer of /v1/images/generations and /v1/images/edits."""

    created: int
    data: list[ImageItem]
    output_format: str | None = None
    size: str | None = None
    usage: TokenUsage | None = None
    atelier: CallFacts


class ModelItem(BaseModel):
    """One model. `created` is not known of any, and 0."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str


class ModelList(BaseModel):
    """The answer of /v1/models."""

    object: str = "list"
    data: list[ModelItem]


def images_answer(answer: Answer, *, as_url: bool) -> ImagesAnswer:
    """Return the answer to a call whose images are made."""
    assert isinstance(answer.data, ImageOutput)
    data, first = answer.data, answer.pictures[0].picture
    return ImagesAnswer(
        created=int(time.time()),
        data=[_item(image, as_url=as_url) for image in answer.pictures],
        output_format=first.format,
        size=f"{first.width}x{first.height}",
        usage=_usage(answer.usage),
        atelier=_call_facts(data),
    )


def _item(image: ResultImage, *, as_url: bool) -> ImageItem:
    stored = image.stored
    url = stored.url if stored and as_url else None
    return ImageItem(
        b64_json=None if url else b64encode(image.image_bytes).decode(),  # one that could not be stored has no link
        url=url,
        revised_prompt=image.prompt_used,
        id=stored.id if stored else None,
    )


def _call_facts(data: ImageOutput) -> CallFacts:
    facts = CallFacts.model_validate(data.model_dump(include=set(CallFacts.model_fields)))
    return facts.model_copy(update={"warnings": [for_program(warning) for warning in data.warnings or ()] or None})


def _usage(usage: Usage | None) -> TokenUsage | None:
    if usage is None:
        return None
    sent, made = usage.input_tokens, usage.output_tokens
    return TokenUsage(input_tokens=sent, output_tokens=made, total_tokens=sent + made, **usage.details)
