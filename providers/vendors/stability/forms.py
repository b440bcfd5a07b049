"""The fields and files of a request, by endpoint. A part of `stability`; `bedrock` sends the same fields as JSON."""

from __future__ import annotations

from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Model, Picture
from atelier.providers.vendors.contract import Job
from atelier.providers.vendors.stability.models import (
    ENDED,
    ERASE,
    OUTPAINT,
    RECOLOR,
    RELIGHT,
    REPLACE,
    SD3,
    SKETCH,
    STRUCTURE,
    STYLE,
    V1,
)

LIGHT = {"light_source_strength", "light_source_direction"}

FIELDS = {
    OUTPAINT: {"top": "up", "bottom": "down"},
    REPLACE: {"search": "search_prompt"},
    RECOLOR: {"search": "select_prompt"},
    RELIGHT: {"prompt": "background_prompt"},
}
"""Endpoint -> our word for a field -> its own."""

LIKENESS = {STRUCTURE: "control_strength", SKETCH: "control_strength", STYLE: "fidelity"}
"""Endpoint -> its field of the opposite sense to our strength: 1 keeps the source, 0 ignores it."""

STRENGTHS = {"sd3.5-flash": 0.95}  # 0.94 to 0.97 gives the best results with this model
USUAL_STRENGTH = 0.65  # the default of the vendor's v1 API, which counted the other way: image_strength 0.35


def fields_of(job: Job) -> dict[str, Any]:
    """Return the fields, None where the caller left an option out. Raises what `check` does."""
    request, endpoint = job.request, job.model.wire
    check(request, job.model)
    ours: dict[str, Any] = {
        "prompt": request.prompt if request.prompt.strip() else None,
        "model": job.model.id if endpoint == SD3 else None,
        "mode": "image-to-image" if endpoint == SD3 and request.sources else None,
        LIKENESS.get(endpoint, "strength"): strength_of(job),
        "aspect_ratio": request.aspect_ratio,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "style_preset": request.style,
        "output_format": request.output_format,
        **request.options,
    }
    names = FIELDS.get(endpoint, {})
    return {names.get(name, name): value for name, value in ours.items()}


def files_of(job: Job) -> list[tuple[str, Picture]]:
    """Return the source images and the mask by their fields; white is what changes, here as well."""
    request = job.request
    images = ("subject_image", "background_reference") if job.model.wire == RELIGHT else ("image",)
    masks = (request.mask,) if request.mask else ()
    return [*zip(images, request.sources, strict=False), *(("mask", mask) for mask in masks)]


def check(request: ImageRequest, model: Model) -> None:
    """Refuse what the gates cannot see in a row: what an endpoint requires, and options that exclude each other.

    The gates pass any number of sources of an unlisted model; the form has fields for as many as the similar model
    takes, or one. Without a mask the vendor would erase by the source's transparency, if it has any.
    """
    endpoint, max_sources, options = model.wire, max(1, model.max_sources), request.options
    if endpoint == V1:
        message = f"{model.id} needs the v1 API, which Atelier does not support."
        raise ImageError(Reason.MODEL_RETIRED, message, hint=f"Use {ENDED.successor} instead.")
    if model.any_value and len(request.sources) > max_sources:
        message = f"{model.id} takes at most {max_sources} source images; {len(request.sources)} were given."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Give fewer.", facts={"option": "images"})
    if endpoint == SD3 and request.sources and request.aspect_ratio:
        message = f"{model.id} does not support aspect_ratio with a source image: it keeps the source's shape."
        raise ImageError(Reason.UNSUPPORTED_OPTION, message, hint="Leave it out.", facts={"option": "aspect_ratio"})
    has_background = endpoint == RELIGHT and len(request.sources) > 1  # the second picture is the background
    promptless = not request.prompt.strip() and model.max_prompt > 0 and endpoint != OUTPAINT and not has_background
    for missing, needs in (
        (promptless, "a prompt that describes the whole resulting image"),
        (endpoint == ERASE and not request.mask, "a mask, white or transparent where the image changes"),
        (endpoint in (REPLACE, RECOLOR) and not options.get("search"), "search, the thing to find"),
        (request.strength is not None and not request.sources, "a source image together with a strength"),
        (LIGHT & options.keys() == {"light_source_strength"}, "light_source_direction as well"),
    ):
        if missing:
            raise ImageError(Reason.INVALID_REQUEST, f"{model.id} needs {needs}.", hint="Add it and call again.")


def strength_of(job: Job) -> float | None:
    """Return the strength in the endpoint's sense. A generation from a source has no default at the vendor."""
    endpoint, strength = job.model.wire, job.request.strength
    if strength is not None:
        return round(1 - strength, 4) if endpoint in LIKENESS else strength
    starts = job.request.sources and endpoint.startswith("generate/")
    return STRENGTHS.get(job.model.id, USUAL_STRENGTH) if starts else None
