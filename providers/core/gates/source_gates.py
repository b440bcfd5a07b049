"""Gates for source images and masks: format, bytes and size.

A vendor refuses most of this with a 400 or a 413, often after the upload; some vendors ignore the image and bill.
"""

from __future__ import annotations

from atelier.providers.core.errors import invalid_request
from atelier.providers.core.types import ImageRequest, Model, Picture


def source_formats_fit(request: ImageRequest, model: Model) -> None:
    for place, picture in _placed(request):
        if picture.format not in model.source_formats:
            formats = ", ".join(format.upper() for format in model.source_formats)
            message = f"{place} is a {picture.format.upper()}, which {model.id} does not take."
            raise invalid_request(message, f"Save it as one of {formats}.")


def check_source_bytes(request: ImageRequest, model: Model) -> None:
    for place, picture in _placed(request):
        if model.max_source_bytes and len(picture.image_bytes) > model.max_source_bytes:
            message = (
                f"{place} has {_mb(len(picture.image_bytes))} MB; {model.id} takes at most "
                f"{_mb(model.max_source_bytes)} MB per image."
            )
            raise invalid_request(message, "Scale it down or save it as JPEG.")
    pictures = (*request.sources, request.mask) if request.mask else request.sources
    total = sum(len(picture.image_bytes) for picture in pictures)
    if model.max_upload_bytes and total > model.max_upload_bytes:
        subject = "Together the images have" if len(pictures) > 1 else "The source image has"
        message = f"{subject} {_mb(total)} MB; {model.id} takes at most {_mb(model.max_upload_bytes)} MB."
        raise invalid_request(message, "Scale down, or save as JPEG.")


def source_sizes_fit(request: ImageRequest, model: Model) -> None:
    for place, picture in _placed(request) if model.source_rule else ():
        if model.source_rule and (why := model.source_rule.violation(picture.width, picture.height)):
            message = f"{place} has {picture.width}x{picture.height} pixels; {model.id} takes {why}."
            raise invalid_request(message, "Scale or crop it, or use another model.")


def _placed(request: ImageRequest) -> list[tuple[str, Picture]]:
    """Return every source image with its name for messages."""
    one = len(request.sources) == 1
    return [
        ("The source image" if one else f"Source image {number}", picture)
        for number, picture in enumerate(request.sources, 1)
    ]


def _mb(count: int) -> str:
    return f"{count / 1e6:.2f}".rstrip("0").rstrip(".")
