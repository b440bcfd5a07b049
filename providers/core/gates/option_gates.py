"""Gates for `options`: their names and values.

A listed model accepts the options in its row within the limits in its row. An unlisted model accepts any other option,
except one that overrides a parameter that Atelier sets, and one that sends the image or the prompt elsewhere.
"""

from __future__ import annotations

import re

from atelier.providers.core.errors import invalid_request
from atelier.providers.core.gates.refusals import unsupported
from atelier.providers.core.types import ImageRequest, Model

SIDES = ("left", "right", "top", "bottom")
ATELIER_OPTIONS = ("search", *SIDES)
"""Options with names of Atelier; an adapter translates them for vendors that support them."""

SAFE_PROMPT = "safe_prompt"
"""The option that lets the pipeline retry a refused prompt in a softened form; on the models that list it."""

MAX_TEXT_LENGTH = 10_000  # characters of a value without a limit of its own
MAX_NUMBER = 2**64

VENDOR_NAMES: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "text", "contents", "messages", "instances", "input", "background_prompt"),
    "model": ("model", "engine"),
    "n": ("n", "count", "num_images", "number_of_images", "sample_count", "candidate_count", "batch_size"),
    "size": ("size", "width", "height"),
    "aspect_ratio": ("aspect_ratio",),
    "resolution": ("resolution", "image_size", "sample_image_size", "image_config"),
    "quality": ("quality",),
    "style": ("style", "style_preset"),
    "background": ("background",),
    "output_format": ("output_format", "format", "mime_type", "output_mime_type", "output_options"),
    "output_compression": ("output_compression", "compression", "compression_quality", "output_compression_quality"),
    "negative_prompt": ("negative_prompt",),
    "seed": ("seed",),
    "image (of edit_image)": (
        "image", "images", "input_image", "input_images", "image_prompt", "init_image", "subject_image",
        "control_image", "reference_image", "reference_images", "background_reference", "light_reference",
    ),
    "mask (of edit_image)": ("mask", "mask_image"),
    "strength (of edit_image)": ("strength", "image_strength", "image_prompt_strength", "control_strength", "fidelity"),
    "operation (of edit_image)": ("operation", "mode", "edit_mode"),
    "search (of edit_image)": ("search", "search_prompt", "select_prompt"),
    "left, right, top and bottom (of edit_image)": (*SIDES, "up", "down", "reference_offset_x", "reference_offset_y"),
    "thinking_level (an option)": ("thinking_config",),
    "": ("stream", "response_format", "response_modalities", "add_watermark", "include_rai_reason", "accept"),
}  # fmt: skip
"""Parameter of Atelier -> the vendors' names for it; those under "" are set by Atelier itself."""

OPERATION_HINTS = {
    "search": "search belongs to the operations search_replace and recolor.",
    **dict.fromkeys(SIDES, "left, right, top and bottom belong to the operation outpaint."),
}
"""Option -> the hint when a model does not support it."""

PARAMETERS = {name: parameter for parameter, names in VENDOR_NAMES.items() for name in names}

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
LOCATION_WORDS = re.compile(
    r".*(url|uri|webhook|callback)s?|href|links?|storage|buckets?|uploads?|blobs?|files?|paths?|hosts?|endpoints?"
)
"""Words in the name of an option that holds a location: where the result is sent, or an image is read."""


def snake(option: str) -> str:
    """`aspectRatio`, `Aspect-Ratio` and `aspect_ratio_2` -> `aspect_ratio`"""
    return "_".join(WORD.findall(option)).lower()


def options_are_known(request: ImageRequest, model: Model) -> None:
    for option in request.options:
        if option in model.options:
            continue
        parameter = PARAMETERS.get(snake(option))
        operation_hint = None if model.any_value else OPERATION_HINTS.get(option)
        hint = operation_hint or (f"Give it as {parameter}." if parameter else "")
        if not model.any_value or option in (*ATELIER_OPTIONS, SAFE_PROMPT):
            raise unsupported(option, None, model, sorted(model.options), hint)
        if parameter is not None:
            raise unsupported(option, None, model, [], hint or "Leave it out; Atelier sets it by itself.")
        if any(LOCATION_WORDS.fullmatch(word) for word in snake(option).split("_")):
            why = "Leave it out; options that name a location of images or prompts are not allowed."
            raise unsupported(option, None, model, [], why)


def options_are_within_limits(request: ImageRequest, model: Model) -> None:
    """Check values against the model's limits; all values must be numbers, booleans or short texts."""
    limits = {limit.option: limit for limit in model.limits if not model.any_value or limit.option == SAFE_PROMPT}
    for option, value in request.options.items():
        if (limit := limits.get(option)) and not limit.allows(value):
            raise unsupported(option, None if limit.kind == "text" else value, model, [str(limit)])
        plain = (isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH) or _is_a_number(value)
        if not plain:
            message = f"The option {option} is neither a number nor true or false nor a short text."
            raise invalid_request(
                message, f"Give a number, true or false, or a text of up to {MAX_TEXT_LENGTH:,} characters."
            )


def _is_a_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < MAX_NUMBER  # false for infinity and NaN


def private_texts(request: ImageRequest, model: Model) -> tuple[str, ...]:
    """Return the texts that a caller wrote into options, which are as private as the prompt."""
    texts = [limit.option for limit in model.limits if limit.kind == "text"]
    return tuple(value for name in texts if isinstance(value := request.options.get(name), str))
