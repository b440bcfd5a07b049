"""Imagen, the older of Google's two APIs: POST :predict with JSON. A part of `gemini`.

Google has switched it off on its own host; custom hosts may still serve it. The shape is that
of Google Cloud, as the vendor's SDK 3.4 builds it (2026-11).
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pybase64

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import ImageRequest, Operation, Picture

EDITS = {
    Operation.INPAINT: ("EDIT_MODE_INPAINT_INSERTION", None),
    Operation.ERASE: ("EDIT_MODE_INPAINT_REMOVAL", None),
    Operation.REPLACE_BACKGROUND: ("EDIT_MODE_BGSWAP", "MASK_MODE_BACKGROUND"),
}
"""Operation -> Imagen's word for it, and the mask that it makes by itself where none is given."""


def body(request: ImageRequest) -> dict[str, Any]:
    """Return the body for Imagen. An unlisted model's options become fields of `parameters`.

    `sampleCount` is always sent, because the vendor's default is four images; Imagen refuses a seed beside a watermark.
    """
    mode, own_mask = EDITS.get(request.operation, (None, None))
    parameters = present(
        sampleCount=request.count,
        negativePrompt=request.negative_prompt,
        aspectRatio=request.aspect_ratio,
        sampleImageSize=request.resolution and request.resolution.upper(),
        seed=request.seed,
        addWatermark=None if request.seed is None else False,
        outputOptions=present(
            mimeType=request.output_format and f"image/{request.output_format}", compressionQuality=request.compression
        ),
        editMode=mode,
        includeRaiReason=True,  # else a withheld image is missing without a reason
        **request.options,
    )
    references = _references(request, own_mask) if mode else None
    return {"instances": [present(prompt=request.prompt, referenceImages=references)], "parameters": parameters}


def _references(request: ImageRequest, own_mask: str | None) -> list[dict[str, Any]]:
    """Return the source and its mask, as Imagen numbers them."""
    if request.mask is None and own_mask is None:
        message = f"Imagen cannot {request.operation} without a mask."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give a mask of the image's size.")
    drawn = _bytes(_sharp(request.mask)) if request.mask else None
    how = {"maskMode": "MASK_MODE_USER_PROVIDED" if drawn else own_mask}
    return [
        {"referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1, "referenceImage": _bytes(request.sources[0])},
        present(referenceType="REFERENCE_TYPE_MASK", referenceId=2, referenceImage=drawn, maskImageConfig=how),
    ]


def _bytes(image: Picture) -> dict[str, str]:
    return {"mimeType": image.mime, "bytesBase64Encoded": base64_of(image)}


def _sharp(mask: Picture) -> Picture:
    """Return the mask without soft edges: Imagen changes every pixel that is not zero."""
    from PIL import Image

    with Image.open(io.BytesIO(mask.image_bytes)) as image:
        sharp = image.convert("L").point([0] * 128 + [255] * 128)  # pyright: ignore[reportUnknownMemberType] - numpy's
    out = io.BytesIO()
    sharp.save(out, "PNG")
    return replace(mask, image_bytes=out.getvalue())


def base64_of(image: Picture) -> str:
    """Return the bytes of an image in base64."""
    return pybase64.b64encode(image.image_bytes).decode()


def present(**fields: Any) -> dict[str, Any]:
    """Return the fields without those that are None or an empty group."""
    return {name: value for name, value in fields.items() if value is not None and value != {}}
