"""Leonardo's request bodies. A source that is uploaded first is named `upload:0`, and a mask `upload:mask`.

`num_images`, `quantity` and the size are always sent, because the vendor's defaults make, and bill, four large images.
"""

from __future__ import annotations

from typing import Any

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.gates.refusals import unsupported
from atelier.providers.vendors.contract import Job
from atelier.providers.vendors.leonardo.models import (
    CONTRASTS,
    CUT_OUT,
    FAMILIES,
    LUCID,
    REFERENCES,
    STYLE_IDS,
    UNZOOM,
    UPSCALER,
)

UPLOAD, MASK = "upload:{}", "upload:mask"
USUAL_SIZE = (1024, 1024)
USUAL_CONTRAST = 3.5  # of the vendor's samples; Lucid is refused without one
INIT_STRENGTHS = (0.1, 0.9)
CANVAS_EDGE, CANVAS_STEP, CANVAS_STRENGTH = 1536, 8, 0.8  # of source and mask, and the highest init_strength


def body_of(job: Job, wire: str) -> tuple[str, dict[str, Any]]:
    """Return the path of a request, below the base URL, and its body."""
    if wire == UPSCALER:
        return "v1/variations/universal-upscaler", _upscaler(job)
    if wire == UNZOOM:
        return "v1/variations/unzoom", {"id": _own_image(job), "isVariation": False}
    api, _, name = wire.partition("/")
    if api == "v2":
        return "v2/generations", {"model": name, "public": False, "parameters": _parameters(job, wire)}
    return "v1/generations", _generation(job, name)


def _generation(job: Job, model_id: str) -> dict[str, Any]:
    """Return the fields of the first API."""
    request, family = job.request, FAMILIES.get(model_id)
    if not request.prompt:
        raise ImageError(Reason.INVALID_REQUEST, f"{job.model.id} needs a prompt.", hint="Describe the whole result.")
    options = dict(request.options)
    reference = options.pop("reference", None)
    width, height = job.size or USUAL_SIZE
    contrast = _contrast(job, family, options.pop("contrast", None))
    style = request.style
    return {
        "modelId": model_id,
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "num_images": request.count,
        "width": width,
        "height": height,
        "seed": request.seed,
        "public": False,
        "alchemy": request.quality == "alchemy",
        "ultra": True if request.quality == "ultra" else None,
        "contrast": contrast,
        "styleUUID": STYLE_IDS.get(style) if style and family in CONTRASTS else None,
        "presetStyle": style.upper() if style and family not in CONTRASTS else None,
        **options,
        **_source(job, family, reference),
    }


def _contrast(job: Job, family: str | None, contrast: object) -> object:
    offered = CONTRASTS.get(family or "", ())
    if contrast is not None and contrast not in offered and not job.model.any_value:
        raise unsupported("contrast", contrast, job.model, [f"{each:g}" for each in offered])
    return USUAL_CONTRAST if contrast is None and family == LUCID else contrast


def _source(job: Job, family: str | None, reference: object) -> dict[str, Any]:
    """Return the fields of a source: a canvas with a mask, a reference of Lucid and Phoenix, else an init image."""
    request, strength = job.request, job.request.strength
    for option, value in (("reference", reference), ("strength", strength)):
        if value is not None and not request.sources:
            message = f"{job.model.id} takes a {option} only with a source image."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Give one, or leave it out.")
    if not request.sources:
        return {}
    if request.mask:
        return _canvas(job)
    own = _made_here(job)
    if kinds := REFERENCES.get(family or ""):
        weight = "High" if strength is None or strength <= 1 / 3 else "Mid" if strength <= 2 / 3 else "Low"
        guide = {
            "initImageId": own or UPLOAD.format(0),
            "initImageType": "GENERATED" if own else "UPLOADED",
            "preprocessorId": kinds[str(reference or "content")],
            "strengthType": weight,
        }
        return {"controlnets": [guide]}
    low, high = INIT_STRENGTHS
    init_strength = None if strength is None else min(max(round(1 - strength, 4), low), high)
    name = "init_generation_image_id" if own else "init_image_id"
    return {name: own or UPLOAD.format(0), "init_strength": init_strength}


def _canvas(job: Job) -> dict[str, Any]:
    """Return the fields of canvas inpainting: white in the mask is painted over, as in ours."""
    source, strength = job.request.sources[0], job.request.strength
    sides = (source.width, source.height)
    if max(sides) > CANVAS_EDGE or any(side % CANVAS_STEP for side in sides):
        message = f"The source image has {sides[0]}x{sides[1]} pixels; canvas inpainting takes up to {CANVAS_EDGE}"
        hint = f"Scale or crop it so that each side is a multiple of {CANVAS_STEP}."
        raise ImageError(Reason.INVALID_REQUEST, f"{message} a side, each a multiple of {CANVAS_STEP}.", hint=hint)
    return {
        "canvasRequest": True,
        "canvasRequestType": "INPAINT",
        "canvasInitId": UPLOAD.format(0),
        "canvasMaskId": MASK,
        "init_strength": None if strength is None else min(round(1 - strength, 4), CANVAS_STRENGTH),
        "width": sides[0],
        "height": sides[1],
    }


def _parameters(job: Job, wire: str) -> dict[str, Any]:
    """Return the parameters of the second API; a key that a model does not know is refused."""
    request = job.request
    images: list[dict[str, Any]] = [
        {"image": {"id": UPLOAD.format(number), "type": "UPLOADED"}} for number in range(len(request.sources))
    ]
    guidances = {"image_reference": images} if images else None
    if wire == CUT_OUT:
        kind = {"jpeg": "jpg"}.get(request.output_format or "", request.output_format)
        return {"guidances": guidances, "format": kind}
    for reference in images:
        reference["strength"] = "MID"
    width, height = job.size or USUAL_SIZE
    return {
        "prompt": request.prompt,
        "quantity": request.count,
        "width": width,
        "height": height,
        "seed": request.seed,
        "prompt_enhance": "OFF",
        "quality": request.quality and request.quality.upper(),
        "output_format": request.output_format,
        "guidances": guidances,
        **request.options,
    }


def _upscaler(job: Job) -> dict[str, Any]:
    request, options, own = job.request, job.request.options, _made_here(job)
    style = options.get("upscaler_style")
    return {
        "generatedImageId" if own else "initImageId": own or UPLOAD.format(0),
        "prompt": request.prompt or None,
        "upscaleMultiplier": options.get("upscale_multiplier"),
        "creativityStrength": options.get("creativity_strength"),
        "upscalerStyle": style and str(style).upper(),
    }


def _made_here(job: Job) -> str | None:
    """Return the vendor's name of the source, if the vendor made it: it need not be uploaded then."""
    return job.request.vendor_image if job.request.origin == "leonardo" else None


def _own_image(job: Job) -> str:
    if own := _made_here(job):
        return own
    message = f"{job.model.id} changes only an image that Leonardo.Ai made and that is stored here."
    raise ImageError(Reason.INVALID_REQUEST, message, hint="Name it by its id, or use another operation.")
