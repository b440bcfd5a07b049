"""Imagen, the older of Google's two APIs: POST :predict with JSON. A part of `gemini`.

All of it is switched off on Google's own host; it is spoken for custom hosts that still serve it. The shape is that
of Google Cloud, as the vendor's SDK 3.4 builds it (2026-11).
"""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from typing import Any

import pybase64

from atelier.providers.core.errors import ImageError, Reason
from atelier.providers.core.types import Feature, ImageRequest, Lifecycle, Model, Operation, Picture

PREDICT = "predict"

IMAGEN = Model(
    id="imagen-3.0-generate-001",
    operations=frozenset({Operation.GENERATE}),
    aspect_ratios=("1:1", "3:4", "4:3", "9:16", "16:9"),
    formats=("png", "jpeg"),
    features=frozenset({Feature.NEGATIVE_PROMPT, Feature.SEED, Feature.COMPRESSION}),
    max_count=4,
    wire=PREDICT,
    lifecycle=Lifecycle("retired", date(2026, 8, 17), "gemini-nano-banana-2.1"),
)
CAPABILITY = replace(
    IMAGEN,
    id="imagen-3.0-capability-001",
    operations=frozenset({Operation.INPAINT, Operation.ERASE, Operation.REPLACE_BACKGROUND}),
    features=IMAGEN.features | {Feature.MASK},
    max_sources=1,
)

MODELS = (
    replace(IMAGEN, id="imagen-4.0-generate-001", aliases=("imagen", "imagen-4"), resolutions=("1k", "2k")),
    replace(
        IMAGEN,
        id="imagen-4.0-ultra-generate-001",
        resolutions=("1k", "2k"),
        lifecycle=replace(IMAGEN.lifecycle, successor="gemini-3-pro-image"),
    ),
    replace(IMAGEN, id="imagen-4.0-fast-generate-001"),
    replace(IMAGEN, id="imagen-3.0-generate-002", lifecycle=replace(IMAGEN.lifecycle, on=date(2025, 11, 10))),
    IMAGEN,
    replace(IMAGEN, id="imagen-3.0-fast-generate-001"),
    CAPABILITY,
)

WIDEST = replace(CAPABILITY, operations=IMAGEN.operations | CAPABILITY.operations)

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
