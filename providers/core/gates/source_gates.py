"""What a model takes in: format, weight and size of source pictures and masks, and the range of seeds. Gates, no I/O.

A vendor answers most of this with a 400 or a 413, some only after the upload, some with a picture that ignores it.
"""

from __future__ import annotations

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Model, Picture


def source_formats_fit(request: ImageRequest, model: Model) -> None:
    for place, picture in _placed(request):
        if picture.format not in model.source_formats:
            taken = ", ".join(format.upper() for format in model.source_formats)
            message = f"{place} is a {picture.format.upper()}, which {model.id} does not take."
            raise ImageError(Reason.INVALID_REQUEST, message, hint=f"Save it as one of {taken}.")


def source_weights_fit(request: ImageRequest, model: Model) -> None:
    for place, picture in _placed(request):
        if model.max_source_bytes and len(picture.image_bytes) > model.max_source_bytes:
            message = (
                f"{place} has {_mb(len(picture.image_bytes))} MB; {model.id} takes at most "
                f"{_mb(model.max_source_bytes)} MB a picture."
            )
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Scale it down or save it as JPEG.")
    pictures = (*request.sources, request.mask) if request.mask else request.sources
    whole = sum(len(picture.image_bytes) for picture in pictures)
    if model.max_upload_bytes and whole > model.max_upload_bytes:
        what = "The pictures have together" if len(pictures) > 1 else "The source picture has"
        message = f"{what} {_mb(whole)} MB; {model.id} takes at most {_mb(model.max_upload_bytes)} MB."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Scale down, or save as JPEG.")


def source_sizes_fit(request: ImageRequest, model: Model) -> None:
    for place, picture in _placed(request) if model.source_rule else ():
        if model.source_rule and (why := model.source_rule.violation(picture.width, picture.height)):
            message = f"{place} has {picture.width}x{picture.height} pixels; {model.id} takes {why}."
            raise ImageError(Reason.INVALID_REQUEST, message, hint="Scale or crop it, or use another model.")


def seed_is_in_range(request: ImageRequest, model: Model) -> None:
    """The seed goes up from call to call, so the last call's has to fit as well."""
    if request.seed is None:
        return
    last = request.seed + (request.count - 1) // model.max_count * model.max_count
    if not 0 <= request.seed <= last <= model.max_seed:
        reach = f", and the last of {request.count} pictures has {last}" if 0 <= request.seed <= model.max_seed else ""
        message = f"The seed is {request.seed}{reach}; {model.id} takes 0 to {model.max_seed}."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give a smaller one." if last > 0 else "Give 0 or more.")


def _placed(request: ImageRequest) -> list[tuple[str, Picture]]:
    """Every source picture with the words for it."""
    one = len(request.sources) == 1
    return [
        ("The source picture" if one else f"Source picture {number}", picture)
        for number, picture in enumerate(request.sources, 1)
    ]


def _mb(count: int) -> str:
    return f"{count / 1e6:.2f}".rstrip("0").rstrip(".")
