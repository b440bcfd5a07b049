"""Check a request against a model before any I/O. The lists of gates at the end are the policy, in order.

A gate compares the request with the model's row and raises ImageError if the model does not support it. An unlisted
model (`any_value`) has the columns of the most similar listed model: an option without a column is refused, because the
vendor would ignore it and bill; values are checked by the vendor.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from fractions import Fraction

from atelier.providers.core.errors import ImageError, Reason, invalid_request
from atelier.providers.core.gates.option_gates import SIDES, options_are_known, options_are_within_limits
from atelier.providers.core.gates.refusals import truncate, unsupported
from atelier.providers.core.gates.source_gates import check_source_bytes, source_formats_fit, source_sizes_fit
from atelier.providers.core.sizes import RESOLUTION_PIXELS, parse_ratio, parse_size
from atelier.providers.core.types import PROMPTLESS, Endpoint, Feature, ImageRequest, Model, Operation

MAX_IMAGES = 10
"""Per request; a model that makes fewer images in a call is called several times."""

Gate = Callable[[ImageRequest, Model], None]


def check_request(request: ImageRequest, model: Model) -> tuple[int, int] | None:
    """Run all gates and return the `requested_pixels`. Raises the ImageError of the first gate that refuses."""
    source_gates = SOURCE_GATES if request.sources or request.mask else ()
    option_gates = OPTION_GATES if request.options else ()
    for gate in (*GATES, *source_gates, *FIELD_GATES, *option_gates, *COMBINATION_GATES):
        gate(request, model)
    return requested_pixels(request, model)


def check_lifecycle(model: Model, endpoint: Endpoint, today: date) -> str | None:
    """Raise model_retired for a retired model; return a warning for a deprecated one, else None.

    On a custom base URL a retired model gets a warning only, because a gateway may still serve it.
    """
    life, stage = model.lifecycle, model.lifecycle.at(today)
    if stage == "current":
        return None
    when = f" on {life.on.isoformat()}" if life.on else ""
    instead = f"Use {life.successor} instead." if life.successor else "Call list_models for the current models."
    if stage == "retired" and not endpoint.custom:
        message = f"The model {model.id} was retired by its vendor{when}."
        raise ImageError(Reason.MODEL_RETIRED, message, hint=instead, facts={"successor": life.successor})
    if stage == "retired":
        return f"{model.id} was retired by its vendor{when}; it is tried because a custom base URL is set. {instead}"
    return f"{model.id} is deprecated and ends{when or ' on a date not yet named'}. {instead}"


def check_prompt_is_given(request: ImageRequest, model: Model) -> None:
    has_background = request.operation is Operation.REPLACE_BACKGROUND and len(request.sources) > 1
    if not request.prompt.strip() and request.operation not in PROMPTLESS and not has_background:
        raise invalid_request("The prompt is empty.", "Describe the image in words.")


def check_prompt_length(request: ImageRequest, model: Model) -> None:
    if request.prompt and model.max_prompt == 0:
        raise unsupported("prompt", None, model, [])
    for name, text in (("prompt", request.prompt), ("negative_prompt", request.negative_prompt or "")):
        if len(text) > model.max_prompt:
            raise invalid_request(
                f"The {name} has {len(text):,} characters; {model.id} takes at most {model.max_prompt:,}.",
                "Shorten it.",
            )


def check_operation(request: ImageRequest, model: Model) -> None:
    if request.operation not in model.operations:
        raise ImageError(
            Reason.UNSUPPORTED_OPERATION,
            f"{model.id} cannot {_words(request.operation)}.",
            hint=f"It can {', '.join(_words(o) for o in Operation if o in model.operations)}.",
        )


def check_count(request: ImageRequest, model: Model) -> None:
    if not 1 <= request.count <= MAX_IMAGES:
        message = f"n is {request.count}; a request makes 1 to {MAX_IMAGES} images."
        raise invalid_request(message, f"Ask for at most {MAX_IMAGES}.")


def check_sources(request: ImageRequest, model: Model) -> None:
    given, needs = len(request.sources), request.operation is not Operation.GENERATE
    if needs and not given:
        raise invalid_request(f"There is no image to {_words(request.operation)}.", "Give the source image.")
    if given > model.max_sources:
        message = f"{model.id} takes at most {model.max_sources} source images; {given} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give fewer.", facts={"option": "images"})
    if request.mask is None:
        if request.operation is Operation.INPAINT:
            raise invalid_request("There is no mask.", "Give one, or edit by instruction.")
        return
    if Feature.MASK not in model.features:
        raise unsupported("mask", None, model, [])
    first = request.sources[0] if given else None
    if first and (request.mask.width, request.mask.height) != (first.width, first.height):
        raise invalid_request(
            f"The mask is {request.mask.width}x{request.mask.height} but the image is {first.width}x{first.height}.",
            "Give a mask of the same size as the image.",
        )


def check_size_options(request: ImageRequest, model: Model) -> None:
    if request.size and (request.aspect_ratio or request.resolution):
        other = "aspect_ratio" if request.aspect_ratio else "resolution"
        message = f"size and {other} were both given, and they may contradict each other."
        raise invalid_request(message, "Give size alone, or aspect_ratio with resolution.")


def check_choices(request: ImageRequest, model: Model) -> None:
    for option, value, offered in (
        ("resolution", request.resolution, model.resolutions),
        ("quality", request.quality, model.qualities),
        ("style", request.style, model.styles),
        ("background", request.background, model.backgrounds),
        ("output_format", request.output_format, model.formats),
    ):
        if value is not None and value not in offered and not (model.any_value and offered):
            raise unsupported(option, value, model, offered)


def check_features(request: ImageRequest, model: Model) -> None:
    for feature, value in (
        (Feature.NEGATIVE_PROMPT, request.negative_prompt),
        (Feature.SEED, request.seed),
        (Feature.STRENGTH, request.strength),
        (Feature.COMPRESSION, request.compression),
    ):
        if value is not None and feature not in model.features:
            raise unsupported(feature, None, model, [])


def check_response_format(request: ImageRequest, model: Model) -> None:
    offered = ("binary", "base64", "url") if model.links else ("binary", "base64")
    if request.response_format is not None and request.response_format not in offered:
        raise unsupported("response_format", request.response_format, model, offered)


def seed_is_in_range(request: ImageRequest, model: Model) -> None:
    """Check the first and the last seed, because each vendor call gets a higher one."""
    if request.seed is None:
        return
    last = request.seed + (request.count - 1) // model.max_count * model.max_count
    if not 0 <= request.seed <= last <= model.max_seed:
        range_end = (
            f", and the last of {request.count} images has {last}" if 0 <= request.seed <= model.max_seed else ""
        )
        message = f"The seed is {request.seed}{range_end}; {model.id} takes 0 to {model.max_seed}."
        raise invalid_request(message, "Give a smaller one." if last > 0 else "Give 0 or more.")


def check_outpaint_sides(request: ImageRequest, model: Model) -> None:
    if request.operation is Operation.OUTPAINT and not any(request.options.get(side) for side in SIDES):
        message = "outpaint needs a side to extend and a number of pixels."
        raise invalid_request(message, "Give one or more of left, right, top and bottom, for example right=512.")


def check_option_combinations(request: ImageRequest, model: Model) -> None:
    if not request.sources and (request.mask or request.strength is not None):
        option = "mask" if request.mask else "strength"
        raise invalid_request(f"There is a {option} but no source image.", "Give the source image.")
    format = request.output_format
    if request.background == "transparent" and format == "jpeg":
        raise invalid_request("A JPEG cannot be transparent.", "Ask for output_format png or webp.")
    if request.compression is not None and format not in ("jpeg", "webp"):
        message = f"output_compression has no effect on {format or 'the default format, png'}."
        raise invalid_request(message, "Set output_format to jpeg or webp, or leave it out.")


def requested_pixels(request: ImageRequest, model: Model) -> tuple[int, int] | None:
    """Return the (width, height) of a requested size, or computed from a requested ratio and resolution.

    None if the vendor decides: the request has none of them, or the vendor takes ratio and resolution by name.
    """
    if request.size:
        return _exact(request.size, model)
    if not (request.aspect_ratio or request.resolution):
        return None
    if model.aspect_ratios:
        if request.aspect_ratio not in (None, *model.aspect_ratios) and not model.any_value:
            raise unsupported("aspect_ratio", request.aspect_ratio, model, model.aspect_ratios)
        return None
    ratio = parse_ratio(request.aspect_ratio or _shape(request))
    if ratio is None:
        message = f"The aspect_ratio “{truncate(request.aspect_ratio or '')}” is not a ratio."
        raise invalid_request(message, "Write it as WIDTH:HEIGHT, for example 16:9.")
    if model.size_rule:
        tier = RESOLUTION_PIXELS.get(request.resolution or "1k")
        if tier is None:
            raise unsupported("resolution", request.resolution, model, RESOLUTION_PIXELS)
        size = model.size_rule.fit(ratio, tier)
        offered = [f"ratios up to {model.size_rule.max_ratio}:1"]
    else:
        listed = list(model.pixels.values())
        size = next((edges for edges in listed if edges[0] == ratio * edges[1]), None)
        offered = [str(Fraction(*edges)).replace("/", ":") if edges[0] != edges[1] else "1:1" for edges in listed]
    if size is None:
        raise unsupported("aspect_ratio", request.aspect_ratio, model, offered)
    return size


def _shape(request: ImageRequest) -> str:
    """Return the ratio for a request with a resolution alone: that of the source, else square."""
    return f"{request.sources[0].width}:{request.sources[0].height}" if request.sources else "1:1"


def _exact(text: str, model: Model) -> tuple[int, int] | None:
    text = text.strip().lower()
    size = model.pixels.get(text) or parse_size(text)
    if text in model.sizes or (size and f"{size[0]}x{size[1]}" in model.sizes):
        return size
    if size is None and text != "auto":
        message = f"The size “{truncate(text)}” is not a size."
        raise invalid_request(message, "Write it as WIDTHxHEIGHT in pixels, for example 1024x1024.")
    offered = [*model.sizes, *([str(model.size_rule)] if model.size_rule else [])]
    if size and offered and (model.any_value or (model.size_rule and model.size_rule.allows(*size))):
        return size
    raise unsupported("size", text, model, offered)


GATES: tuple[Gate, ...] = (check_operation, check_prompt_is_given, check_count, check_sources)
SOURCE_GATES: tuple[Gate, ...] = (source_formats_fit, check_source_bytes, source_sizes_fit)
FIELD_GATES: tuple[Gate, ...] = (
    check_size_options,
    check_choices,
    check_features,
    check_response_format,
    seed_is_in_range,
    check_prompt_length,
)
OPTION_GATES: tuple[Gate, ...] = (options_are_known, options_are_within_limits)
COMBINATION_GATES: tuple[Gate, ...] = (check_outpaint_sides, check_option_combinations)


def _words(operation: Operation) -> str:
    return operation.value.replace("_", " ")
