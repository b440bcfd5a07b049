"""Imagen, the older of Google's two APIs: POST :predict with JSON. A part of `gemini`.

All of it is switched off on Google's own host; it is spoken for custom hosts that still serve it. The shape is that
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
"""Imagen's word for an operation, and the mask that it finds by itself where none is given."""


def body(asked: ImageRequest) -> dict[str, Any]:
    """What is asked, in Imagen's words; an unlisted model's options are fields of `parameters`.

    `sampleCount` is always said, because the vendor's default is four pictures; a seed is refused beside a watermark.
    """
    mode, own_mask = EDITS.get(asked.operation, (None, None))
    parameters = present(
        sampleCount=asked.count,
        negativePrompt=asked.negative_prompt,
        aspectRatio=asked.aspect_ratio,
        sampleImageSize=asked.resolution and asked.resolution.upper(),
        seed=asked.seed,
        addWatermark=None if asked.seed is None else False,
        outputOptions=present(
            mimeType=asked.output_format and f"image/{asked.output_format}", compressionQuality=asked.compression
        ),
        editMode=mode,
        includeRaiReason=True,  # else a withheld picture is just missing
        **asked.options,
    )
    references = _references(asked, own_mask) if mode else None
    return {"instances": [present(prompt=asked.prompt, referenceImages=references)], "parameters": parameters}


def _references(asked: ImageRequest, own_mask: str | None) -> list[dict[str, Any]]:
    """The picture and its mask, as Imagen numbers them."""
    if asked.mask is None and own_mask is None:
        message = f"Imagen cannot {asked.operation} without a mask."
        raise ImageError(Reason.INVALID_REQUEST, message, hint="Give a mask of the picture's size.")
    drawn = _bytes(_sharp(asked.mask)) if asked.mask else None
    how = {"maskMode": "MASK_MODE_USER_PROVIDED" if drawn else own_mask}
    return [
        {"referenceType": "REFERENCE_TYPE_RAW", "referenceId": 1, "referenceImage": _bytes(asked.sources[0])},
        present(referenceType="REFERENCE_TYPE_MASK", referenceId=2, referenceImage=drawn, maskImageConfig=how),
    ]


def _bytes(image: Picture) -> dict[str, str]:
    return {"mimeType": image.mime, "bytesBase64Encoded": base64_of(image)}


def _sharp(mask: Picture) -> Picture:
    """Imagen changes whatever is not zero, so the darker half of a soft edge is made zero and stays."""
    from PIL import Image

    with Image.open(io.BytesIO(mask.image_bytes)) as image:
        sharp = image.convert("L").point([0] * 128 + [255] * 128)  # pyright: ignore[reportUnknownMemberType] - numpy's
    out = io.BytesIO()
    sharp.save(out, "PNG")
    return replace(mask, image_bytes=out.getvalue())


def base64_of(image: Picture) -> str:
    """The bytes of a picture as JSON can carry them."""
    return pybase64.b64encode(image.image_bytes).decode()


def present(**fields: Any) -> dict[str, Any]:
    """Without what is None, and without a group of which nothing is left."""
    return {name: value for name, value in fields.items() if value is not None and value != {}}
