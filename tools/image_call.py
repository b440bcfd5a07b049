"""What generate_image and edit_image share: parameters, request fields, submitting a request, replaying a call."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.images.resize import parse_resize
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.tools.image_answer import format_handle, format_result
from atelier.tools.parameters import fields
from atelier.tools.parameters.option_parsing import parse_options, refuse_parameters
from atelier.tools.tool import Answer, Call, Parameters


class ImageParameters(Parameters):
    """The parameters of every image call, except the prompt."""

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
        refuse_parameters(parse_options(value), cls.model_fields)
        return value


NAMES = {"n": "count", "output_compression": "compression"}
"""Parameter -> field of ImageRequest, where the names differ."""

NOT_SENT = ("save", "deliver_size", "deliver_fit", "deliver_max_kb", "confirm_cost", "fallback")
"""Parameters that are not sent to the vendor."""


def request_fields(params: ImageParameters) -> dict[str, Any]:
    """Return the parameters as fields of an ImageRequest.

    Raises invalid_request for a resized copy that cannot be made.
    """
    common = {
        NAMES.get(name, name): getattr(params, name) for name in ImageParameters.model_fields if name not in NOT_SENT
    }
    copy = parse_resize(params.deliver_size, params.deliver_fit, params.deliver_max_kb)
    return {**common, "options": parse_options(params.options), "deliver": copy}


def fallback_of(params: ImageParameters) -> list[str] | None:
    """Return the fallback models. an empty list means the configured default: some hosts send [] for unset fields."""
    return [] if params.fallback == ["none"] else params.fallback or None


async def replay(params: ImageParameters, service: ImageService, call: Call) -> Answer | None:
    """Return the answer of the earlier call with the same idempotency key, or None."""
    if call.key is None:
        return None
    result = await service.replay(call.key, _call_text(params), caller=call.caller, on_progress=call.on_progress)
    return _format(result) if result else None


async def submit(request: ImageRequest, params: ImageParameters, service: ImageService, call: Call) -> Answer:
    """Submit the request. Return its result, or the job's handle when the wait limit passes first."""
    result = await service.submit(
        request,
        caller=call.caller,
        inline_limit=0 if params.save else call.inline_limit,
        fallback=fallback_of(params),
        key=call.key,
        body=_call_text(params) if call.key else None,
        on_progress=call.on_progress,
        confirm=call.confirm_price if params.confirm_cost else call.confirm,
    )
    return _format(result)


def _call_text(params: ImageParameters) -> str:
    """Return the parameters as text: an idempotency key may be used again only with the same text."""
    return f"{type(params).__name__} {params.model_dump_json(exclude={'confirm_cost'})}"


def _format(result: ImageResult | JobHandle) -> Answer:
    return format_handle(result) if isinstance(result, JobHandle) else format_result(result)
