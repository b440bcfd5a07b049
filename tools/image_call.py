"""What generate_image and edit_image share: a request's fields, what is submitted with it, and where its images go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.results import ImageResult
from atelier.providers.core.sizes import ResizeSpec, parse_resize
from atelier.providers.jobs.service import ImageService, JobHandle
from atelier.providers.styles.library import FoundStyle
from atelier.tools.image_answer import format_handle, format_result
from atelier.tools.parameters.arguments import parse_options
from atelier.tools.parameters.delivery import split_words
from atelier.tools.parameters.tool_parameters import ImageParameters
from atelier.tools.tool import Answer, Call, OutputFiles

NAMES = {"n": "count", "output_compression": "compression"}
"""Parameter -> field of ImageRequest, where the names differ."""

NOT_COPIED = (
    "deliver", "output_path", "save", "deliver_size", "deliver_fit", "deliver_max_kb", "confirm_cost", "fallback",
)  # fmt: skip
"""Parameters that do not become a field of ImageRequest as they are."""

RESIZE_PARAMETERS = ("deliver_size", "deliver_fit", "deliver_max_kb")


class DeliveryParameters(Protocol):
    """The parameters that say where the images of a call go."""

    @property
    def deliver(self) -> str | None: ...
    @property
    def output_path(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where the images go.

    `store` keeps them, `inline` returns them whole in the answer. `copy` is a resized copy, and `overwrite` allows
    output_path to replace a file.
    """

    store: bool
    inline: bool
    overwrite: bool
    copy: ResizeSpec | None


def delivery_of(params: DeliveryParameters) -> Delivery:
    """Return the delivery that the parameters ask for. Raises invalid_request when they contradict one another."""
    words = split_words(params.deliver) if params.deliver else {}
    for name in RESIZE_PARAMETERS:
        older = getattr(params, name)
        if older is not None and words.setdefault(name, older) != older:
            raise _contradiction(name)
    save = getattr(params, "save", True)  # get_image has no such parameter
    mode = words.get("mode") or ("file" if save else "inline")
    if not save and mode == "file":
        raise _contradiction("save")
    resize = [words.get(name) for name in RESIZE_PARAMETERS]
    copy = parse_resize(*resize) if resize != [None] * 3 else None
    return Delivery(store=mode != "inline", inline=mode != "file", overwrite="overwrite" in words, copy=copy)


def _contradiction(name: str) -> ImageError:
    message = f"“deliver” and “{name}” do not say the same."
    return ImageError(Reason.INVALID_REQUEST, message, hint=f"Leave {name} out.")


def request_fields(params: ImageParameters) -> dict[str, Any]:
    """Return the parameters as fields of an ImageRequest.

    Raises invalid_request for a resized copy that cannot be made.
    """
    common = {
        NAMES.get(name, name): getattr(params, name) for name in ImageParameters.model_fields if name not in NOT_COPIED
    }
    return {**common, "options": parse_options(params.options), "deliver": delivery_of(params).copy}


def fallback_of(params: ImageParameters) -> list[str] | None:
    """Return the fallback models. An empty list means the configured default: some hosts send [] for unset fields."""
    return [] if params.fallback == ["none"] else params.fallback or None


async def replay(params: ImageParameters, style: FoundStyle | None, service: ImageService, call: Call) -> Answer | None:
    """Return the answer of the earlier call with the same idempotency key, or None."""
    if call.key is None:
        return None
    body = _call_text(params, style)
    result = await service.replay(call.key, body, caller=call.caller, on_progress=call.on_progress)
    return await answer_of(result, params, call) if result else None


async def submission(params: ImageParameters, style: FoundStyle | None, call: Call) -> dict[str, Any]:
    """Return what `ImageService.submit` is given beside the request.

    Raises invalid_request for an output_path to which nothing can be written.
    """
    await check_output_path(params, call)
    return {
        "caller": call.caller,
        "inline_limit": 0 if delivery_of(params).store else call.inline_limit,
        "fallback": fallback_of(params),
        "key": call.key,
        "body": _call_text(params, style) if call.key else None,
        "on_progress": call.on_progress,
        "confirm": call.confirm_price if params.confirm_cost else call.confirm,
    }


def _call_text(params: ImageParameters, found: FoundStyle | None) -> str:
    """Return the parameters, and the style that they name, as text: a key may be used again only with the same text."""
    style = f" {found.style.text}" if found else ""
    return f"{type(params).__name__} {params.model_dump_json(exclude={'confirm_cost'})}{style}"


async def answer_of(result: ImageResult | JobHandle, params: DeliveryParameters, call: Call) -> Answer:
    """Return the answer of a result, which is written to `output_path` as well, or of a job that still runs."""
    if isinstance(result, JobHandle):
        return format_handle(result, params.output_path)
    delivery = delivery_of(params)
    answer = format_result(result, call.inline_limit, whole=delivery.store and delivery.inline)
    return await written(answer, params, call)


async def check_output_path(params: DeliveryParameters, call: Call) -> None:
    """Raise invalid_request when no image could be written to `output_path`, or the caller is on another machine."""
    if params.output_path:
        await _files_of(call).check(params.output_path, overwrite=delivery_of(params).overwrite)


def _files_of(call: Call) -> OutputFiles:
    if call.output_files is None:
        message = "“output_path” is for a server that runs on the caller's own machine."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Leave it out; the answer has a link to the image.")
    return call.output_files


async def written(answer: Answer, params: DeliveryParameters, call: Call) -> Answer:
    """Write the images to `output_path`, and note their paths. A failure is a note too: the images are stored."""
    if not params.output_path:
        return answer
    try:
        overwrite = delivery_of(params).overwrite
        paths = await _files_of(call).write(params.output_path, answer.pictures, overwrite=overwrite)
    except ImageError as error:
        return answer.with_note(f"Not written to output_path: {error.message} {error.hint}".strip())
    return answer.with_note(f"Written to {', '.join(paths)}.")
