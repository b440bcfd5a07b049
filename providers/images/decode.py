"""Decode images with Pillow. Every failure of a decoder, and every decompression bomb, becomes one ValueError."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from atelier.providers.core.errors import invalid_request
from atelier.providers.core.types import Picture
from atelier.providers.images.containers import parts
from atelier.providers.images.identify import format_of, identify

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 100_000_000  # against decompression bombs; 4K images have 17 million
MAX_NOTE_BYTES = 16 * 2**20  # of a colour profile in a PNG; some are larger than the 1 MB that Pillow allows
ORIENTATION = 0x0112  # of Exif 2.32, 4.6.4: 1 is upright
ORIENTED = (b"Exif", b"eXIf", b"EXIF", b"rientation", b"Raw profile")
"""Bytes in every file that has an orientation. Most files have none of them and need no decoding."""
PIXELS = (b"IDAT", b"fdAT", b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
"""The parts of a PNG and a WebP that have no metadata."""


def decode(data: bytes, *, enough: tuple[int, int] | None = None) -> Image.Image:
    """Return the first frame of a PNG, JPEG, WebP or GIF, upright. Raises ValueError with the reason.

    `enough` is a size at which a larger JPEG may be decoded, for speed.
    """
    from PIL import ImageOps

    format, width, height = identify(data)
    if width * height > MAX_PIXELS:
        raise ValueError(f"it has {width}x{height} pixels")
    try:
        image = open_image(data, format)
        if image.width * image.height > MAX_PIXELS:  # a GIF may claim one size and have a frame of another
            raise ValueError("too many pixels")
        if enough:
            image.draft("RGB", enough)
        image.load()
        if image.mode == "P":  # a missing palette fails on conversion only
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    except Exception as error:
        raise ValueError("it cannot be decoded") from error
    with suppress(Exception):  # broken metadata does not make the image unusable
        ImageOps.exif_transpose(image, in_place=True)
    return image


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Convert an image to 8 bits per channel. Pillow's own conversion turns most of a 16-bit image white."""
    if not image.mode.startswith("I"):  # Pillow decodes every other 16-bit mode to 8 bits
        return image
    clear, wide = image.info.get("transparency"), image.convert("I")
    grey = _by_table(wide, [value >> 8 for value in range(2**16)])
    grey.info.pop("transparency", None)
    if isinstance(clear, int):  # one grey value is transparent
        grey.putalpha(_by_table(wide, [0 if value == clear else 255 for value in range(2**16)]))
    return grey


def _by_table(wide: Image.Image, table: list[int]) -> Image.Image:
    return wide.point(table, "L")  # pyright: ignore[reportUnknownMemberType]


def flatten(image: Image.Image) -> Image.Image:
    """Convert an image to 8-bit RGB, with transparent parts on white."""
    from PIL import Image

    image = to_eight_bits(image)
    if has_alpha(image):
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        white.alpha_composite(clear)
        image = white
    return image.convert("RGB")


def has_alpha(image: Image.Image) -> bool:
    """Whether an image may have transparent parts."""
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def rotate_upright(picture: Picture) -> Picture:
    """Return the image with its pixels rotated as its Exif or XMP says, or unchanged if they are upright.

    Vendors differ in whether they read the orientation. Raises ValueError if the image must be rotated and is broken.
    """
    if not is_turned(picture.image_bytes):
        return picture
    return encode(decode(picture.image_bytes), picture.format, quality=95)


def is_turned(data: bytes) -> bool:
    """Whether the metadata of an image says that its pixels are rotated or mirrored."""
    notes = _without_pixels(data)
    if not any(marker in notes for marker in ORIENTED):
        return False
    with suppress(Exception):
        image = open_image(data, identify(data)[0])
        return image.getexif().get(ORIENTATION, 1) in range(2, 9)
    return False


def _without_pixels(data: bytes) -> bytes:
    """Return the parts that may have metadata, which is quicker to search; the whole file if they are not known."""
    with suppress(KeyError, ValueError):
        return b"".join(part.kind + part.body for part in parts(format_of(data), data) if part.kind not in PIXELS)
    return data


def decodes_fully(data: bytes, format: str) -> bool:
    """Whether an image decodes down to its last row. The decoder of JPEG fills missing rows with one grey."""
    with suppress(Exception):
        image = open_image(data, format)
        image.load()
        if format != "jpeg":
            return True
        corner = image.convert("RGB").crop((image.width // 2, max(0, image.height - 8), image.width, image.height))
        return corner.getcolors(1) is None  # more than one colour
    return False


def open_image(data: bytes, format: str) -> Image.Image:
    """Open an image of one format and read its header only. Raises the exceptions of the decoder."""
    from PIL import Image, PngImagePlugin

    PngImagePlugin.MAX_TEXT_CHUNK = MAX_NOTE_BYTES
    if format.upper() not in Image.OPEN:
        Image.init()  # loads all formats; Pillow loads some by itself
    return Image.open(io.BytesIO(data), formats=(format.upper(),))


def encode(image: Image.Image, format: str, **options: Any) -> Picture:
    """Encode an image in a format, with its colour profile and no other metadata. `options` are Pillow's.

    Raises invalid_request if the format cannot hold it, such as a JPEG of more than 65,500 pixels an edge.
    """
    out = io.BytesIO()
    try:
        image.save(out, format.upper(), icc_profile=image.info.get("icc_profile"), **options)
    except (OSError, ValueError):
        message = f"An image of {image.width}x{image.height} cannot be written as {format.upper()}."
        raise invalid_request(message, "Scale it down first.") from None
    data = out.getvalue()
    return Picture(data, *identify(data))
