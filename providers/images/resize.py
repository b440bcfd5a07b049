"""Make a resized copy of an image: scaled and cropped or padded to a size, and compressed to a limit of bytes.

Models have sizes of their own, while a web form may need 1200x630 under 200 kB. The original stays unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atelier.providers.core.errors import ImageError, Reason, invalid_request
from atelier.providers.core.sizes import ResizeSpec
from atelier.providers.core.types import Picture
from atelier.providers.images.decode import decode, encode, flatten, has_alpha, to_eight_bits

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
