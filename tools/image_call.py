"""What the tools that draw have in common: their parameters, what those ask of the library, and the answer."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from atelier.providers.core.types import ImageRequest, ImageResult
from atelier.providers.images.resize import wish
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.tools.image_answer import told, told_running
from atelier.tools.parameters import fields
from atelier.tools.parameters.option_parsing import named, refuse_parameters
from atelier.tools.tool import ANSWER_BUDGET, Answer, Call, Parameters


class Drawing(Parameters):
    """What may be said about a picture that is to be made, besides what it shows."""

    model: fields.ModelName = None
    n: fields.Count = 1
    size: fields.Size = None
    aspect_ratio: fields.AspectRatio = None
    resolution: fields.Resolution = None
    quality: fields.Quality = None
    style: fields.Style = None
    background: fields.Background = None
    output_format: fields.OutputFormat = None
    output_compression: fields.OutputCompression = None
    negative_prompt: fields.NegativePrompt = None
    seed: fields.Seed = None
    options: fields.Options = []  # noqa: RUF012 - pydantic copies it
    save: fields.Save = True
    deliver_size: fields.DeliverSize = None
    deliver_fit: fields.DeliverFit = None
    deliver_max_kb: fields.DeliverMaxKb = None
    confirm_cost: fields.ConfirmCost = False
    fallback: fields.Fallback = []  # noqa: RUF012 - pydantic copies it

    @field_validator("options")
    @classmethod
    def _options_are_named(cls, value: list[str]) -> list[str]:
        refuse_parameters(named(value), cls.model_fields)
        return value


NAMES = {"n": "count", "output_compression": "compression"}
"""Parameters that the library calls otherwise."""

OURS = ("save", "deliver_size", "deliver_fit", "deliver_max_kb", "confirm_cost", "fallback")
"""Parameters that are not the vendor's business."""


def asked_for(asked: Drawing) -> dict[str, Any]:
    """The common parameters as fields of an ImageRequest. Raises invalid_request for a copy that cannot be."""
    common = {NAMES.get(name, name): getattr(asked, name) for name in Drawing.model_fields if name not in OURS}
    copy = wish(asked.deliver_size, asked.deliver_fit, asked.deliver_max_kb)
    return {**common, "options": named(asked.options), "deliver": copy}


def fallback_of(asked: Drawing) -> list[str] | None:
    """The models to move on to; None is for the settings to say, since hosts fill in an empty list for nothing said."""
    return [] if asked.fallback == ["none"] else asked.fallback or None


async def drawn_before(asked: Drawing, service: ImageService, call: Call) -> Answer | None:
    """What came of the same call, where its caller gave it a key."""
    if call.key is None:
        return None
    result = await service.replay(call.key, _said(asked), caller=call.caller, on_progress=call.on_progress)
    return _told(result) if result else None


async def draw(request: ImageRequest, asked: Drawing, service: ImageService, call: Call) -> Answer:
    """Hand the request over; tell what came of it, or that it goes on."""
    result = await service.submit(
        request,
        caller=call.caller,
        in_hand=0 if asked.save else ANSWER_BUDGET,
        fallback=fallback_of(asked),
        key=call.key,
        said=_said(asked) if call.key else None,
        on_progress=call.on_progress,
        confirm=call.confirm_price if asked.confirm_cost else call.confirm,
    )
    return _told(result)


def _said(asked: Drawing) -> str:
    """The words of a call, by which a key is held to it."""
    return f"{type(asked).__name__} {asked.model_dump_json(exclude={'confirm_cost'})}"


def _told(result: ImageResult | JobHandle) -> Answer:
    return told_running(result) if isinstance(result, JobHandle) else told(result)
