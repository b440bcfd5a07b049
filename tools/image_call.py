"""What generate_image and edit_image share: parameters, request fields, submitting a request, replaying a call."""

from __future__ import annotations

from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.types import ImageRequest
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.providers.styles.library import FoundStyle
from atelier.tools.image_answer import format_handle, format_result
from atelier.tools.parameters.delivery import Delivery, delivery_of
from atelier.tools.parameters.option_parsing import parse_options
from atelier.tools.parameters.tool_parameters import ImageParameters
from atelier.tools.tool import Answer, Call, OutputFiles

NAMES = {"n": "count", "output_compression": "compression"}
"""Parameter -> field of ImageRequest, where the names differ."""

NOT_SENT = (
    "deliver", "output_path", "save", "deliver_size", "deliver_fit", "deliver_max_kb", "confirm_cost", "fallback",
)  # fmt: skip
"""Parameters that are not sent to the vendor."""


def request_fields(params: ImageParameters) -> dict[str, Any]:
    """Return the parameters as fields of an ImageRequest.

    Raises invalid_request for a resized copy that cannot be made.
    """
    common = {
        NAMES.get(name, name): getattr(params, name) for name in ImageParameters.model_fields if name not in NOT_SENT
    }
    delivery = delivery_of(params, save=params.save)
    return {**common, "options": parse_options(params.options), "deliver": delivery.copy}


def fallback_of(params: ImageParameters) -> list[str] | None:
    """Return the fallback models. An empty list means the configured default: some hosts send [] for unset fields."""
    return [] if params.fallback == ["none"] else params.fallback or None


async def replay(params: ImageParameters, style: FoundStyle | None, service: ImageService, call: Call) -> Answer | None:
    """Return the answer of the earlier call with the same idempotency key, or None."""
    if call.key is None:
        return None
    body = _call_text(params, style)
    result = await service.replay(call.key, body, caller=call.caller, on_progress=call.on_progress)
    return await answer_of(result, params.output_path, delivery_of(params, save=params.save), call) if result else None


async def submit(
    request: ImageRequest, params: ImageParameters, style: FoundStyle | None, service: ImageService, call: Call
) -> Answer:
    """Submit the request. Return its result, or the job's handle when the wait limit passes first."""
    delivery = delivery_of(params, save=params.save)
    if params.output_path:
        await files_of(call).check(params.output_path, overwrite=delivery.overwrite)
    result = await service.submit(
        request,
        caller=call.caller,
        inline_limit=0 if delivery.store else call.inline_limit,
        fallback=fallback_of(params),
        key=call.key,
        body=_call_text(params, style) if call.key else None,
        on_progress=call.on_progress,
        confirm=call.confirm_price if params.confirm_cost else call.confirm,
    )
    return await answer_of(result, params.output_path, delivery, call)


def _call_text(params: ImageParameters, found: FoundStyle | None) -> str:
    """Return the parameters, and the style that they name, as text: a key may be used again only with the same text."""
    style = f" {found.style.text}" if found else ""
    return f"{type(params).__name__} {params.model_dump_json(exclude={'confirm_cost'})}{style}"


async def answer_of(result: ImageResult | JobHandle, output_path: str | None, delivery: Delivery, call: Call) -> Answer:
    """Return the answer of a result, which is written to `output_path` as well, or of a job that still runs."""
    if isinstance(result, JobHandle):
        return format_handle(result, output_path)
    answer = format_result(result, call.inline_limit, whole=delivery.store and delivery.inline)
    return await with_files(answer, output_path, call, overwrite=delivery.overwrite) if output_path else answer


def files_of(call: Call) -> OutputFiles:
    """Return what writes files for the caller. Raises invalid_request for a caller on another machine."""
    if call.output_files is None:
        message = "“output_path” is for a server that runs on the caller's own machine."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave it out; the answer has a link to the image.")
    return call.output_files


async def with_files(answer: Answer, path: str, call: Call, *, overwrite: bool) -> Answer:
    """Write the images of an answer to a path, and note their paths. A failure is a note too: the images are stored."""
    try:
        written = await files_of(call).write(path, answer.pictures, overwrite=overwrite)
    except ImageError as error:
        return answer.with_note(f"Not written to output_path: {error.message} {error.hint}".strip())
    return answer.with_note(f"Written to {', '.join(written)}.")
