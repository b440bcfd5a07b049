"""Make a resized copy of an image: scaled and cropped or padded to a size, and compressed to a limit of bytes.

Models have sizes of their own, while a web form may need 1200x630 under 200 kB. The original stays unchanged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from atelier.providers.core.concurrency import run_on_processor
from atelier.providers.core.errors import ImageError, Reason, invalid_request
from atelier.providers.core.results import AssetHandle, ResultImage
from atelier.providers.core.sizes import ResizeSpec
from atelier.providers.core.tracing import new_id
from atelier.providers.core.types import Picture
from atelier.providers.images.decode import decode, encode, flatten, has_alpha, to_eight_bits
from atelier.providers.images.provenance import embed_facts

if TYPE_CHECKING:
    from PIL import Image

KB = 1000  # bytes; also fits a limit that counts in 1024
DEFAULT_QUALITY = 92  # of a jpeg or webp without a limit of bytes
QUALITIES = range(20, 96)  # tried to meet the limit; a lower quality is unusable
SHRINK = 0.85  # factor for the edges, if no quality meets the limit and the size is free
MIN_EDGE = 16


def resized_copy(picture: Picture, wanted: ResizeSpec) -> Picture:
    """Return the resized copy: upright, 8 bits per channel, with its transparency and colour profile.

    It keeps its format if it meets `max_kb` in it; else a png becomes a jpeg, or a webp if it has transparency. Without
    a size it is scaled down until it fits. Raises invalid_request if it cannot fit, and invalid_response if the image
    cannot be decoded.
    """
    try:
        image = to_eight_bits(decode(picture.image_bytes))
    except ValueError as error:
        message = f"The image cannot be resized: {error}."
        raise ImageError(Reason.INVALID_RESPONSE, message, hint="The image itself is stored unchanged.") from None
    profile = (
        image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P") else None
    )  # others are of other colours
    image = image.convert("RGBA" if has_alpha(image) else "RGB")
    if wanted.box:
        image = _cut(image, *wanted.box)
    if wanted.size:
        image = _cropped(image, *wanted.size) if wanted.fit == "crop" else _padded(image, *wanted.size)
    format = wanted.format or ("png" if picture.format == "gif" else picture.format)
    if format == "jpeg" and image.mode == "RGBA":
        image = flatten(image)
    image.info = {"icc_profile": profile} if profile else {}
    if wanted.max_kb is None:
        return encode(image, format, **_options(format, DEFAULT_QUALITY))
    return _within(image, format, wanted.max_kb * KB, free=wanted.size is None)


def _within(image: Image.Image, format: str, limit: int, *, free: bool) -> Picture:
    """Return the best copy of at most `limit` bytes; `free` allows a smaller size in pixels."""
    if format == "png":
        whole = encode(image, "png", optimize=True)
        if len(whole.image_bytes) <= limit:
            return whole
        format = "webp" if image.mode == "RGBA" else "jpeg"
    while True:
        smallest = encode(image, format, **_options(format, QUALITIES[0]))
        if len(smallest.image_bytes) <= limit:
            room = limit * 19 // 20  # leaves space for the embedded facts
            return _best(image, format, room if len(smallest.image_bytes) <= room else limit, smallest)
        width, height = (max(1, round(edge * SHRINK)) for edge in image.size)
        if not free or max(width, height) < MIN_EDGE:
            size, needed = f"{image.width}x{image.height}", -(-len(smallest.image_bytes) // KB)
            message = f"A {format} copy of {size} pixels needs {needed} kB, which is more than {limit // KB} kB."
            raise invalid_request(message, f"Allow {needed} kB or ask for a smaller size.")
        image = _scaled(image, width, height)


def _best(image: Image.Image, format: str, limit: int, found: Picture) -> Picture:
    """Return the copy of the highest quality that fits, by binary search; `found` has the lowest quality."""
    low, high = QUALITIES[0], QUALITIES[-1] + 1
    while high - low > 1:
        middle = (low + high) // 2
        tried = encode(image, format, **_options(format, middle))
        if len(tried.image_bytes) <= limit:
            low, found = middle, tried
        else:
            high = middle
    return found


def _options(format: str, quality: int) -> dict[str, Any]:
    match format:
        case "jpeg":
            return {"quality": quality, "optimize": True}
        case "webp":
            return {"quality": quality}
        case _:
            return {}


def _cut(image: Image.Image, left: int, top: int, width: int, height: int) -> Image.Image:
    """Cut a part out of an image. Raises invalid_request when it lies outside."""
    if left + width > image.width or top + height > image.height:
        message = f"The crop {width}x{height} at {left},{top} lies outside the image of {image.width}x{image.height}."
        raise invalid_request(message, "Give it as LEFT,TOP,WIDTH,HEIGHT in pixels, within the image.")
    return image.crop((left, top, left + width, top + height))


def _cropped(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scale an image to cover the size, and crop two sides evenly."""
    from PIL import Image

    shape = min(image.width / width, image.height / height)
    across, down = (min(whole, shape * edge) for whole, edge in zip(image.size, (width, height), strict=True))
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = (left, top, left + across, top + down)
    return image.resize((width, height), Image.Resampling.LANCZOS, box)  # pyright: ignore[reportUnknownMemberType]


def _padded(image: Image.Image, width: int, height: int) -> Image.Image:
    """Scale an image to fit in the size, on white, or on transparent if the image has transparency."""
    from PIL import Image

    shape = min(width / image.width, height / image.height)
    across, down = (
        max(1, min(edge, round(shape * whole))) for whole, edge in zip(image.size, (width, height), strict=True)
    )
    around = Image.new(image.mode, (width, height), (255, 255, 255, 0)[: len(image.mode)])
    around.paste(_scaled(image, across, down), ((width - across) // 2, (height - down) // 2))
    return around


def _scaled(image: Image.Image, width: int, height: int) -> Image.Image:
    from PIL import Image

    small = image.resize((width, height), Image.Resampling.LANCZOS)  # pyright: ignore[reportUnknownMemberType]
    small.info = image.info
    return small


Put = Callable[[str, Picture, Mapping[str, Any]], Awaitable[AssetHandle]]
"""`Storage.put`."""

NO_C2PA = "The resized copy has no C2PA manifest: the original's signature does not cover it."


async def with_copy(
    image: ResultImage, record: Mapping[str, Any], resize: ResizeSpec, put: Put
) -> tuple[ResultImage, list[str]]:
    """Return a stored image with its copy, and warnings. If the copy fails the image is returned without one."""
    if image.stored is None:
        return image, ["No resized copy was made, because the image could not be stored."]
    try:
        copy, warnings = await store_copy(image.picture, record, resize, put)
    except ImageError as error:
        return image, [f"No resized copy was made: {error.message} {error.hint}".strip()]
    return replace(image, copy=copy), warnings


async def store_copy(
    picture: Picture, record: Mapping[str, Any], resize: ResizeSpec, put: Put
) -> tuple[ResultImage, list[str]]:
    """Store a copy of a stored image and return it with warnings. Raises invalid_request and storage_failed."""
    copy = await run_on_processor(resized_copy, picture, resize)
    copy, copy_record = await run_on_processor(_with_facts, copy, _record(record, copy, resize), resize)
    stored = await put(copy_record["id"], copy, copy_record)
    warnings = [stored.warning] if stored.warning else []
    if copy.format != (resize.format or picture.format):
        warnings.append(f"The copy is a {copy.format}: a {picture.format} does not fit.")
    return ResultImage(copy, stored), [*warnings, *([NO_C2PA] if record.get("c2pa") else [])]


def _with_facts(copy: Picture, record: dict[str, Any], resize: ResizeSpec) -> tuple[Picture, dict[str, Any]]:
    """Embed the record in the copy if the size limit allows it."""
    marked, marked_record = embed_facts(copy, record)
    if resize.max_kb is None or marked_record["bytes"] <= resize.max_kb * KB:
        return marked, marked_record
    return copy, {**record, "bytes": len(copy.image_bytes), "c2pa": False, "embedded": False}


def _record(record: Mapping[str, Any], copy: Picture, resize: ResizeSpec) -> dict[str, Any]:
    """Return the record of a copy, which costs nothing."""
    options = {
        "deliver_size": resize.words,
        "deliver_fit": resize.fit,
        "deliver_max_kb": resize.max_kb,
        "crop": list(resize.box) if resize.box else None,
        "output_format": resize.format,
    }
    return {
        **record,
        "id": new_id("img"),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "operation": "deliver",
        "asked": {name: value for name, value in options.items() if value is not None},
        "width": copy.width,
        "height": copy.height,
        "mime": copy.mime,
        "estimated_usd": None,
        "actual_usd": 0.0,
        "usage": None,
        "parent": record["id"],
    }
